import * as z from 'zod';
import { Role, Seen } from './plan.ts';
import { RemedyNote } from './remedy-note.ts';

const Id = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, 'an id is kebab-case: letters, digits and "-"');

/** Other playbooks whose lists come first: see `includePlaybooks`. */
const Include = z.array(Id).max(8);

/**
 * One file of `playbooks/`: which collectors on which roles, which rules, with which parameters. No loops, no
 * templates, and no conditions but `when`. `with` is parsed by the collector's or rule's own schema.
 */
export const Playbook = z.strictObject({
  id: Id,
  title: z.strictObject({ en: z.string().min(1), zh: z.string().min(1) }),
  /** Words that choose it when nobody named a playbook. */
  words: z.strictObject({ en: z.array(z.string().min(1)), zh: z.array(z.string().min(1)) }).default({ en: [], zh: [] }),
  /**
   * When it is used without a word of the question. `ports` and `protocol` are those of the question: they choose it.
   * With `seen` it joins the playbook that was chosen as soon as a node shows one of these. All that is named must hold.
   */
  when: z
    .strictObject({
      ports: z.array(z.number().int().min(1).max(65_535)).min(1).optional(),
      protocol: z.enum(['tcp', 'udp']).optional(),
      seen: z.array(Seen).min(1).optional(),
    })
    .refine((one) => Object.keys(one).length > 0, 'at least one of ports, protocol, seen')
    .optional(),
  /**
   * Playbooks whose steps and rules come first. A step here with the same collector on the same roles is the included
   * one with other parameters (lists add up, other values take the place); a rule of the same id likewise.
   */
  include: Include.default([]),
  collect: z
    .array(
      z.strictObject({
        on: z.array(Role).min(1),
        use: Id,
        with: z.record(z.string(), z.unknown()).default({}),
      }),
    )
    .default([]),
  rules: z.array(z.strictObject({ use: Id, with: z.record(z.string(), z.unknown()).default({}) })).default([]),
  /**
   * What `netcheck audit` does with it: one node at a time, nothing captured, nothing probed, everything read once. Only
   * rules that need no question (`asksNothing`). Sections of included playbooks come first here as well.
   */
  audit: z
    .strictObject({
      collect: z.array(z.strictObject({ use: Id, with: z.record(z.string(), z.unknown()).default({}) })).default([]),
      rules: z.array(z.strictObject({ use: Id, with: z.record(z.string(), z.unknown()).default({}) })).default([]),
    })
    .optional(),
});
export type Playbook = z.infer<typeof Playbook>;

const MoreWords = z.strictObject({
  en: z.array(z.string().min(1)).default([]),
  zh: z.array(z.string().min(1)).default([]),
});

/**
 * The other kind of file in a playbook directory: what a team adds to playbooks and rules that are already there. It is
 * told from a playbook by having no `id`.
 */
export const Additions = z.strictObject({
  /** Further words that choose a playbook, by playbook. */
  symptomWords: z.record(Id, MoreWords).default({}),
  /** Further remedies, by rule. */
  remedyNotes: z.record(Id, z.array(RemedyNote).min(1)).default({}),
});
export type Additions = z.infer<typeof Additions>;
