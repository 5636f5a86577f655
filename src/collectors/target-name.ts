import * as z from 'zod';
import { defineCollector } from '../model/command.ts';
import { DnsName } from '../model/dns-name.ts';
import { unlikelyName } from '../model/target-names.ts';
import { lookups, withRoot } from './name-lookup.ts';

/**
 * What a client makes of the name that was asked for. The last names cannot exist: a search domain that has an address
 * for them as well answers everything.
 */
export const targetName = defineCollector({
  id: 'target-name',
  purpose:
    'looks the name that was asked for up as programs do: as typed, complete, and behind each search domain (active: DNS queries)',
  params: z.strictObject({}),
  when: 'probe',
  provides: ['nameLookups'],
  commands: (_params, { targetNames, learned }) =>
    lookups(
      targetNames.length === 0
        ? []
        : [
            ...targetNames.flatMap((name) => [
              name,
              withRoot(name),
              ...learned.searchDomains.map((domain) => `${name}.${domain}.`),
            ]),
            ...learned.searchDomains.map((domain) => `${unlikelyName}.${domain}.`),
          ].filter((name) => DnsName.safeParse(name).success),
    ),
});
