import * as z from 'zod';
import { defineCollector } from '../model/command.ts';

/**
 * One line per attempt: `attempt N START END STATUS MESSAGE`. bash's /dev/tcp where bash is there, else nc, busybox
 * nc, python or perl: a plain connect() that is closed at once. Attempts start 0.05 s apart, each with its own source port.
 * A program in $(...) without a function around it is one process of the node, and there are five for each attempt.
 */
const script = `host=$1 port=$2 count=$3 limit=$4
nl='
'
bounded() { "$@" & b=$!; (sleep "$limit"; kill "$b" 2>/dev/null) >/dev/null 2>&1 & k=$!; wait "$b"; r=$?; kill "$k" 2>/dev/null; return "$r"; }
if command -v timeout >/dev/null 2>&1; then within="timeout $limit"; else within=bounded; fi
py='import socket,sys
s=socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.settimeout(float(sys.argv[3]))
try: s.connect((sys.argv[1],int(sys.argv[2])))
except socket.timeout: sys.exit(124)
except OSError as e: sys.stderr.write(str(e)); sys.exit(1)'
pl='use IO::Socket::IP; alarm $ARGV[2]; IO::Socket::IP->new(PeerHost=>$ARGV[0],PeerPort=>$ARGV[1]) or die "$!\\n"'
if command -v bash >/dev/null 2>&1; then how=bash
elif command -v nc >/dev/null 2>&1; then how=nc
elif command -v busybox >/dev/null 2>&1; then how=busybox
elif command -v python3 >/dev/null 2>&1; then how=python3
elif command -v python >/dev/null 2>&1; then how=python
elif command -v perl >/dev/null 2>&1; then how=perl
else echo "no bash, nc, busybox, python or perl to connect with" >&2; exit 127; fi
one() {
start=$(date +%s.%N)
case $how in
bash) out=$($within bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" 2>&1) ;;
nc) out=$($within nc -v -z -w "$limit" "$host" "$port" 2>&1 </dev/null) ;;
busybox) out=$($within busybox nc -w "$limit" "$host" "$port" 2>&1 </dev/null) ;;
python3|python) out=$($within "$how" -c "$py" "$host" "$port" "$limit" 2>&1) ;;
perl) out=$($within perl -e "$pl" "$host" "$port" "$limit" 2>&1) ;;
esac
status=$?
end=$(date +%s.%N)
if [ "$status" -eq 0 ]; then out=; fi
echo "attempt $1 $start $end $status \${out##*$nl}"
}
i=0
while [ "$i" -lt "$count" ]; do i=$((i+1)); one "$i" & sleep 0.05 2>/dev/null || sleep 1; done
wait`;

export const tcpProbe = defineCollector({
  id: 'tcp-probe',
  purpose: 'a few TCP connects to the port, closed at once (active: the target sees them)',
  params: z.strictObject({
    attempts: z.number().int().min(1).max(50).default(8),
    timeoutSec: z.number().int().min(1).max(60).default(5),
  }),
  when: 'probe',
  provides: ['probes'],
  commands: ({ attempts, timeoutSec }, { target, port, protocol }) =>
    protocol === 'udp'
      ? []
      : [
          {
            argv: ['sh', '-c', script, 'sh', target, String(port), String(attempts), String(timeoutSec)],
            privilege: 'none',
            timeoutMs: (timeoutSec + attempts + 5) * 1000,
            maxBytes: 65_536,
            kind: 'tcp-probe',
          },
        ],
});
