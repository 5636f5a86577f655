import type { CounterReading } from '../model/facts.ts';
import type { Parser } from '../model/parser.ts';
import { perCpuTable } from './per-cpu-table.ts';

/**
 * /proc/interrupts (proc(5)): `interrupt.eth0-rx-0` is the sum over all CPUs, `interrupt.eth0-rx-0.cpu3` one CPU's
 * where it is not 0. Named after what stands last on the line (the device; several lines of one name are added up);
 * interrupts without one keep their number or short name (`interrupt.NMI`).
 */
export const interrupts: Parser<CounterReading> = {
  kind: 'interrupts',
  reads: 'cat /proc/interrupts',
  fact: 'counters',
  sample: `           CPU0       CPU1
  0:         36          0   IO-APIC   2-edge      timer
 24:       1042          7   PCI-MSI 512-edge      eth0-rx-0
NMI:          3          2   Non-maskable interrupts
ERR:          0
`,
  parse: (input) =>
    perCpuTable(input, {
      group: 'interrupt',
      nameOf: (label, rest) => {
        if (!/^[A-Za-z0-9]{1,10}$/.test(label)) return undefined;
        return (/^\d+$/.test(label) ? deviceOf(rest) : undefined) ?? label;
      },
      perCpu: true,
    }),
};

/**
 * show_interrupts (kernel/irq/proc.c): chip, then on newer kernels number and type of the line (`IO-APIC 2-edge`; old
 * ones `IO-APIC-edge`), then the devices, if any. Of several the last.
 */
function deviceOf(rest: readonly string[]): string | undefined {
  const last = rest.at(-1) ?? '';
  if (rest.length < 2 || /(?:^|-)(?:edge|fasteoi|level)$/i.test(last)) return undefined;
  return /^[\w@.:/[\]-]{1,60}$/.test(last) ? last : undefined;
}
