#!/usr/bin/perl
# A client that talks to service.pl over one connection, step by step, and says where it failed.
# Usage: talk.pl ADDRESS PORT [apart] STEP...
#   apart         a source port that no other process has had for long: nobody meets what is left of an old connection
#   get           a small request, and its answer         upload N,M,…  a request with N, M … bytes in writes of their own
#   sleep S       says nothing for that long
#   keepalive S   SO_KEEPALIVE with that idle time and interval; 0: with the times of the network namespace
# Exit status: 0, or another one (errno, as a rule) with the kernel's word or "no answer" after 6 s.
use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(:DEFAULT IPPROTO_TCP TCP_NODELAY SO_LINGER);

my ($address, $port, @steps) = @ARGV;
$SIG{PIPE} = 'IGNORE';
$| = 1;
socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "socket: $!\n";
if (@steps && $steps[0] eq 'apart') {
    shift @steps;
    bind($socket, sockaddr_in(33000 + $$ % 27000, INADDR_ANY)) or die "bind: $!\n";
}
{
    local $SIG{ALRM} = sub { $! = 110; die "connect: timed out\n" };
    alarm 4;
    connect($socket, sockaddr_in($port, inet_aton($address))) or die "connect: $!\n";
    alarm 0;
}
bless $socket, 'IO::Socket::INET';
$socket->setsockopt(IPPROTO_TCP, TCP_NODELAY, 1);

sub say_bytes {
    my ($bytes) = @_;
    syswrite($socket, $bytes) // die "write: $!\n";
}

sub answer {
    my ($text, $want) = ('', undef);
    local $SIG{ALRM} = sub {
        # a kernel that goes on repeating what it cannot get through would disturb whoever looks later
        $socket->setsockopt(SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0);
        die "no answer\n";
    };
    alarm 6;
    until (defined $want && length $text >= $want) {
        my $got = sysread($socket, $text, 65536, length $text);
        die "read: $!\n" unless defined $got;
        die "closed by the server\n" if $got == 0;
        $want = $+[0] + $1 if !defined $want && $text =~ /content-length: *(\d+).*?\r\n\r\n/si;
    }
    alarm 0;
}

while (defined(my $step = shift @steps)) {
    if ($step eq 'get') {
        say_bytes("GET / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n");
        answer();
    } elsif ($step eq 'upload') {
        my @sizes = split /,/, shift @steps;
        my $sum = 0;
        $sum += $_ for @sizes;
        say_bytes("POST / HTTP/1.1\r\nConnection: keep-alive\r\nContent-Length: $sum\r\n\r\n");
        for my $size (@sizes) { select undef, undef, undef, 0.05; say_bytes('x' x $size) }
        answer();
    } elsif ($step eq 'sleep') {
        select undef, undef, undef, shift @steps;
    } elsif ($step eq 'keepalive') {
        my $seconds = 0 + shift @steps;    # a string would be taken for packed bytes
        $socket->setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1);
        next if $seconds == 0;
        $socket->setsockopt(IPPROTO_TCP, $_, $seconds) for 4, 5;    # TCP_KEEPIDLE, TCP_KEEPINTVL
    } else { die "there is no step $step\n" }
}
print "well\n";
