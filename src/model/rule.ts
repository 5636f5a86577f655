import type * as z from 'zod';
import type { Capture, FactCatalogue, FactName, Facts } from './facts.ts';
import type { Language } from './language.ts';
import type { Plan, Role } from './plan.ts';
import type { Because, Remedy } from './report.ts';
import type { Symptom } from './symptom.ts';
import type { RuleVerdict } from './verdict.ts';

/**
 * Sentences of a rule, in one language. Values are passed in as an object with units in the names; nothing else may
 * depend on the language. `title` names the fault.
 */
export type RuleText = { readonly title: string } & Readonly<Record<string, string | ((values: never) => string)>>;

/** What a rule answers about one node or one path. */
export interface Outcome {
  readonly verdict: RuleVerdict;
  readonly because: readonly Because[];
  readonly remedies: readonly Remedy[];
}

/**
 * A rule's way to say "this cannot be told from what is here": a part of a fact is missing (a sysctl that was not
 * read), or it is too weak to argue from (the kernel dropped packets of the capture). The engine makes `unknown` of it.
 */
export interface Undecided {
  readonly undecided: readonly { readonly fact: FactName; readonly node: string; readonly why: string }[];
}

/** Facts of one node as a rule sees them: only what it declared compiles. */
export type NeededFacts<Needs extends FactName, Optional extends FactName> = {
  readonly [Name in Needs]: FactCatalogue[Name];
} & { readonly [Name in Optional]?: FactCatalogue[Name] };

interface RuleBase<Params extends z.ZodType, Text extends RuleText> {
  /** The problem in plain words, kebab-case, for ever. */
  readonly id: string;
  /** Entry of the fault catalogue that it decides: F01 … */
  readonly fault: string;
  readonly params: Params;
  /** A rule on nodes or paths that reads nothing of TCP: it is asked about UDP as well. Rules on packets always are. */
  readonly anyProtocol?: true;
  /**
   * It tells something about a node that nobody asked about: of what is read once, without a capture and without a port.
   * Audits use only these.
   */
  readonly asksNothing?: true;
  /** `Text` is inferred from English; Chinese must have the same keys with the same parameters. */
  readonly text: {
    readonly en: Text;
    readonly zh: { readonly [Key in keyof Text]: Text[Key] extends string ? string : Text[Key] };
  };
  /** Where the knowledge comes from: RFC section, kernel file, incident. */
  readonly sources: readonly string[];
}

/** Judges each node that has one of `roles`, alone. */
export interface NodeRule<
  Needs extends FactName = FactName,
  Optional extends FactName = FactName,
  Params extends z.ZodType = z.ZodType,
  Text extends RuleText = RuleText,
> extends RuleBase<Params, Text> {
  readonly scope: 'node';
  readonly roles: readonly Role[];
  readonly needs: readonly Needs[];
  readonly optional: readonly Optional[];
  evaluate(input: {
    readonly node: string;
    readonly facts: NeededFacts<Needs, Optional>;
    readonly symptom: Symptom;
    /** Address and port that are diagnosed. */
    readonly target: { readonly address: string; readonly port: number };
    readonly plan: Plan;
    /** Clock of the node minus clock of netcheck, milliseconds; 0 where it is not known. */
    readonly clockOffsetMs: number;
    readonly params: z.output<Params>;
    readonly say: Text;
  }): Outcome | Undecided;
}

/** Judges the path from each client node to the target, with the facts of both (and of forwarders). */
export interface PathRule<
  Client extends FactName = FactName,
  Target extends FactName = FactName,
  Optional extends FactName = FactName,
  Params extends z.ZodType = z.ZodType,
  Text extends RuleText = RuleText,
> extends RuleBase<Params, Text> {
  readonly scope: 'path';
  readonly needs: { readonly client: readonly Client[]; readonly target: readonly Target[] };
  /** May be read on any node of the path. */
  readonly optional: readonly Optional[];
  evaluate(input: {
    readonly client: { readonly node: string; readonly facts: NeededFacts<Client, Optional> };
    readonly target: {
      readonly node: string;
      readonly address: string;
      readonly port: number;
      readonly facts: NeededFacts<Target, Optional>;
    };
    readonly forwarders: readonly { readonly node: string; readonly facts: Pick<Facts, Optional> }[];
    readonly symptom: Symptom;
    readonly plan: Plan;
    /** Clock of the node minus clock of netcheck, milliseconds; 0 where it is not known. */
    readonly clockOffsetMs: (node: string) => number;
    readonly params: z.output<Params>;
    readonly say: Text;
  }): Outcome | Undecided;
}

/**
 * Judges one capture by its packets: of a node in a run, or a file given to `netcheck pcap`. It sees the traffic of the
 * target of a run, or all traffic of a file.
 */
export interface CaptureRule<
  Optional extends FactName = FactName,
  Params extends z.ZodType = z.ZodType,
  Text extends RuleText = RuleText,
> extends RuleBase<Params, Text> {
  readonly scope: 'capture';
  /** Of the node, in a run: what the packets are about. Of a file nothing else is known. */
  readonly optional?: readonly Optional[];
  evaluate(input: {
    readonly capture: Capture;
    readonly facts: Pick<Facts, Optional>;
    /** Where it was taken: name of the node or of the file. */
    readonly place: string;
    readonly params: z.output<Params>;
    readonly say: Text;
  }): Outcome | Undecided;
}

/** A rule in the registry: its generics are erased, the engine hands it exactly the facts that it declared. */
// biome-ignore format: one line reads better
export type AnyRule = (
  | Omit<NodeRule, 'evaluate' | 'text'>
  | Omit<PathRule, 'evaluate' | 'text'>
  | Omit<CaptureRule, 'evaluate' | 'text'>
) & {
  readonly text: Readonly<Record<Language, RuleText>>;
  evaluate(input: never): Outcome | Undecided;
};

export function defineNodeRule<
  const Needs extends FactName,
  const Optional extends FactName,
  Params extends z.ZodType,
  Text extends RuleText,
>(rule: NodeRule<Needs, Optional, Params, Text>): NodeRule<Needs, Optional, Params, Text> {
  return rule;
}

export function definePathRule<
  const Client extends FactName,
  const Target extends FactName,
  const Optional extends FactName,
  Params extends z.ZodType,
  Text extends RuleText,
>(rule: PathRule<Client, Target, Optional, Params, Text>): PathRule<Client, Target, Optional, Params, Text> {
  return rule;
}

export function defineCaptureRule<
  Params extends z.ZodType,
  Text extends RuleText,
  const Optional extends FactName = never,
>(rule: CaptureRule<Optional, Params, Text>): CaptureRule<Optional, Params, Text> {
  return rule;
}
