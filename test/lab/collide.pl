#!/usr/bin/perl
# Two clients whose SYNs are translated at the same moment, made certain.  Usage:
#   collide.pl hold QUEUE            waits between NAT and confirmation (NFQUEUE): a SYN goes on when a second one is
#                                    there, or after 40 ms; who goes first alternates
#   collide.pl connect ADDRESS PORT  one connect each half second of the clock; whoever runs it elsewhere uses the same
#                                    source port at the same time. /tmp/slow has a byte for each that took over 0.8 s
# Perl, because it has netlink sockets without any package; numbers as in linux/netfilter/nfnetlink_queue.h.
use strict;
use warnings;
use Socket qw(:DEFAULT);
use Time::HiRes qw(time sleep);

my ($what, @rest) = @ARGV;
$what eq 'hold' ? hold(@rest) : clients(@rest);

sub hold {
    my ($queue) = @_;
    socket(my $netlink, 16, SOCK_RAW, 12) or die "socket: $!\n";    # AF_NETLINK, NETLINK_NETFILTER
    bind($netlink, pack 'S S L L', 16, 0, 0, 0) or die "bind: $!\n";
    my $say = sub {
        my ($type, $attribute, $bytes) = @_;
        my $length = 4 + length $bytes;
        my $body = pack('C C n', 0, 0, $queue) . pack('S S', $length, $attribute) . $bytes . "\0" x (-$length % 4);
        my $message = pack('L S S L L', 16 + length $body, 3 << 8 | $type, 1, 0, 0) . $body;
        send($netlink, $message, 0, pack 'S S L L', 16, 0, 0, 0) or die "send: $!\n";
    };
    $say->(2, 1, pack 'C C n', 1, 0, 2);    # NFQNL_MSG_CONFIG: bind this queue
    $say->(2, 2, pack 'N C', 0, 1);         # packets without their bytes
    $| = 1;
    print "ready\n";
    my ($turn, @held) = 0;
    while (1) {
        vec(my $bits = '', fileno $netlink, 1) = 1;
        my $ready = select $bits, undef, undef, @held ? 0.04 : undef;
        if ($ready > 0) {
            next unless defined recv $netlink, my $bytes, 65536, 0;
            while (length $bytes >= 20) {
                my ($length, $type) = unpack 'L S', $bytes;
                # the first attribute of a packet is its header: number, protocol, hook
                push @held, unpack 'x24 N', $bytes if $type == (3 << 8);
                $bytes = substr $bytes, ($length + 3) & ~3;
            }
        }
        next unless @held >= 2 || $ready == 0;
        @held = reverse @held if $turn++ % 2;
        $say->(1, 2, pack 'N N', 1, $_) for splice @held;    # NF_ACCEPT
    }
}

sub clients {
    my ($address, $port) = @_;
    $SIG{CHLD} = 'IGNORE';
    my $to = sockaddr_in($port, inet_aton($address));
    open(my $slow, '>', '/tmp/slow') or die "/tmp/slow: $!\n";
    while (1) {
        my $tick = int(time * 2) + 1;
        sleep $tick / 2 - time;
        next if fork // die "fork: $!\n";
        socket(my $socket, PF_INET, SOCK_STREAM, 0);
        setsockopt($socket, SOL_SOCKET, SO_REUSEADDR, 1);
        bind($socket, sockaddr_in(10000 + $tick % 20000, INADDR_ANY)) or die "bind: $!\n";
        my $began = time;
        alarm 4;
        connect($socket, $to) or exit 1;
        syswrite $slow, 'x' if time - $began > 0.8;
        exit 0;
    }
}
