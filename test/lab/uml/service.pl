#!/usr/bin/perl
# An HTTP server for a guest: GET /N is answered with N bytes, everything else with the node's name. Anything that is
# sent is read. It closes after the answer unless the request asks for keep-alive. Perl, because a guest has one slow
# processor and little memory.  Usage: service.pl ADDRESS PORT BACKLOG; prints "listening PID" and goes on by itself.
use strict;
use warnings;
use IO::Socket::INET;
use Sys::Hostname;
use POSIX ();

$| = 1;
my ($address, $port, $backlog) = @ARGV;
my $server = IO::Socket::INET->new(
    LocalAddr => $address, LocalPort => $port, Listen => $backlog, Proto => 'tcp', ReuseAddr => 1,
) or die "cannot listen on $address:$port: $!\n";
my $pid = fork();
if ($pid) { print "listening $pid\n"; POSIX::_exit(0) }
POSIX::setsid();
open(STDIN, '<', '/dev/null');
open(STDOUT, '>', '/dev/null');
open(STDERR, '>', '/dev/null');
$SIG{CHLD} = 'IGNORE';
my $name = hostname();
while (1) {
    my $client = $server->accept() or next;
    if (fork()) { close $client; next }
    close $server;
    while (my $request = <$client>) {
        my ($keep, $length) = (0, 0);
        while (my $line = <$client>) {
            last if $line =~ /^\r?$/;
            $keep = 1 if $line =~ /^connection: *keep-alive/i;
            $length = $1 if $line =~ /^content-length: *(\d+)/i;
        }
        while ($length > 0) {
            my $got = read($client, my $body, $length > 65536 ? 65536 : $length);
            POSIX::_exit(0) unless $got;
            $length -= $got;
        }
        my $text = $request =~ m{ /(\d+) } ? 'x' x $1 : "hello from $name\n";
        my $after = $keep ? 'keep-alive' : 'close';
        print $client "HTTP/1.1 200 OK\r\nContent-Length: " . length($text) . "\r\nConnection: $after\r\n\r\n$text";
        $client->flush();
        last unless $keep;
    }
    POSIX::_exit(0);
}
