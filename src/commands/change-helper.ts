import { NetcheckError } from '../model/errors.ts';
import { version } from '../version.ts';
import { changeHelperScript } from './change-helper-script.ts';

/** `netcheck change-helper`: prints the program that an administrator installs on nodes where remedies may be tried. */
export async function changeHelper(args: readonly string[]): Promise<number> {
  if (args.length > 0)
    throw new NetcheckError(
      'usage/missing-argument',
      'netcheck change-helper takes no words.',
      'netcheck change-helper > netcheck-change; the file says where it belongs.',
    );
  process.stdout.write(changeHelperScript(version));
  return 0;
}
