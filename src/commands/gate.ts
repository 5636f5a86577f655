import type { Options } from '../cli.ts';
import { gateScript } from './gate-script.ts';
import { registriesFor, warnOf } from './registries-for.ts';
import { loginNameOf } from './sudoers.ts';

/** `netcheck gate [USER]`: the forced command that keeps the SSH key to what the collectors run. */
export async function gate(args: readonly string[], options: Options): Promise<number> {
  const user = loginNameOf('gate', args);
  const { registries, problems, changes } = await registriesFor(options);
  warnOf(problems);
  process.stdout.write(
    gateScript(registries.collectors, {
      loginUser: user === 'root' ? undefined : user,
      playbooks: registries.playbooks.values(),
      changes,
    }),
  );
  return 0;
}
