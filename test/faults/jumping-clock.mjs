// Loaded into netcheck before anything else (NODE_OPTIONS=--import): its wall clock is the machine's, plus what the
// file of NETCHECK_FAULT_CLOCK says, milliseconds. Timers and performance.now() go on as they do where a clock is set.
import { readFileSync } from 'node:fs';

const file = process.env.NETCHECK_FAULT_CLOCK ?? '';
const TrueDate = Date;
let aheadMs = 0;

function look() {
  try {
    aheadMs = Number(readFileSync(file, 'utf8')) || 0;
  } catch {
    aheadMs = 0;
  }
}
look();
setInterval(look, 200).unref();

globalThis.Date = class Date extends TrueDate {
  constructor(...given) {
    if (given.length === 0) super(TrueDate.now() + aheadMs);
    else super(...given);
  }
  static now() {
    return TrueDate.now() + aheadMs;
  }
};
