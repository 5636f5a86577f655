import { type LoadedConfig, loadConfig } from '../config.ts';
import type { Options } from '../cli.ts';
import { type LoadedRegistries, readRegistries } from '../load-registries.ts';
import { NetcheckError } from '../model/errors.ts';
import { type Language, languages } from '../model/language.ts';

/** What commands show that need no node: with what the configuration adds, where there is one. */
export async function registriesFor(options: Pick<Options, 'config' | 'lang'>): Promise<{
  readonly registries: LoadedRegistries;
  readonly problems: readonly string[];
  readonly language: Language;
}> {
  const loaded = configIfAny(options.config);
  const { registries, problems } = await readRegistries(loaded);
  const language = languages.find((one) => one === options.lang) ?? loaded?.config.language ?? 'en';
  return { registries, problems, language };
}

/** @throws NetcheckError where a configuration was named that is not there, or the one that is there is wrong */
function configIfAny(named: string | undefined): LoadedConfig | undefined {
  try {
    return loadConfig(named);
  } catch (error) {
    if (named === undefined && error instanceof NetcheckError && error.code === 'config/not-found') return undefined;
    throw error;
  }
}
