import type { CounterDelta, CounterDeltas, Sysctls } from '../model/facts.ts';
import { plainSetting } from './sysctl-remedies.ts';

/** How far a counter rose in the window; null where it is not there or its readings cannot be compared. */
export function riseOf(counters: CounterDeltas, name: string): number | null {
  const delta = counters[name]?.delta;
  return delta === undefined || delta === null ? null : Math.max(0, delta);
}

/** A counter of one device that rose. */
export interface DeviceRise {
  readonly device: string;
  readonly group: string;
  /** Without group and device: `rx_missed_errors`. */
  readonly name: string;
  readonly rise: number;
  readonly counter: CounterDelta;
}

/** A device's name has no dot but that of a VLAN, which is followed by a number. */
const deviceCounter = /^(dev|ethtool)\.([A-Za-z0-9_:-]{1,15}(?:\.\d{1,4})?)\.(.{1,80})$/;

/** Counters of devices (`dev.eth0.rx_fifo`, `ethtool.eth0.rx_missed_errors`), those that did not move included. */
export function deviceRises(counters: CounterDeltas, wanted: (name: string, group: string) => boolean): DeviceRise[] {
  return Object.entries(counters).flatMap(([full, counter]) => {
    const [, group = '', device = '', name = ''] = deviceCounter.exec(full) ?? [];
    const rise = riseOf(counters, full);
    return device === '' || device === 'lo' || rise === null || !wanted(name, group)
      ? []
      : [{ device, group, name, rise, counter }];
  });
}

/** The counter that rose most, per device: drivers tell of one drop under several names, so they are not added up. */
export function worstPerDevice(rises: readonly DeviceRise[]): DeviceRise[] {
  const worst = new Map<string, DeviceRise>();
  for (const rise of rises) {
    const known = worst.get(rise.device);
    // the driver's own name says more than the kernel's
    const tells = known !== undefined && rise.rise === known.rise && rise.group === 'ethtool';
    if (known === undefined || rise.rise > known.rise || (tells && known.group !== 'ethtool')) {
      worst.set(rise.device, rise);
    }
  }
  return [...worst.values()].sort((a, b) => b.rise - a.rise);
}

/** The numbers of a setting: `32768 60999` -> [32768, 60999]; null where it was not read or is not numbers. */
export function numbersOf(sysctl: Sysctls | undefined, key: string): readonly number[] | null {
  const value = plainSetting(sysctl?.[key]?.value);
  return value === null ? null : value.split(' ').map(Number);
}
