import { type LoadedConfig, loadConfig } from '../config.ts';
import type { Options } from '../cli.ts';
import { type LoadedRegistries, readRegistries } from '../load-registries.ts';
import { NetcheckError } from '../model/errors.ts';
import { type Language, languages } from '../model/language.ts';

/**
 * What commands use that need no node: with what the configuration adds, where there is one.
 *
 * @param required false where the command can do without: a configuration that is wrong is then said, and left out
 */
export async function registriesFor(
  options: Pick<Options, 'config' | 'lang'>,
  { required = true }: { readonly required?: boolean } = {},
): Promise<{
  readonly registries: LoadedRegistries;
  readonly problems: readonly string[];
  readonly language: Language;
  /** Two people may try remedies from Slack (`remedies.apply`). */
  readonly changes: boolean;
}> {
  const loaded = configIfAny(options.config, required);
  const { registries, problems } = await readRegistries(loaded);
  const language = languages.find((one) => one === options.lang) ?? loaded?.config.language ?? 'en';
  return { registries, problems, language, changes: loaded?.config.remedies.apply ?? false };
}

/** Commands that go on with what is in order say what is not. */
export function warnOf(problems: readonly string[]): void {
  for (const text of problems) process.stderr.write(`netcheck: left out: ${text}\n`);
}

/** @throws NetcheckError where a configuration was named that is not there, or the one that is there is wrong */
function configIfAny(named: string | undefined, required: boolean): LoadedConfig | undefined {
  try {
    return loadConfig(named);
  } catch (error) {
    if (named !== undefined || !(error instanceof NetcheckError)) throw error;
    if (error.code === 'config/not-found') return undefined;
    if (required) throw error;
    process.stderr.write(`netcheck: the configuration is left out: ${error.message}\n`);
    return undefined;
  }
}
