/**
 * What a question can leave open: which of two readings, who is meant by a name, which namespace an object is in, which
 * of several nodes with an address, what suffers, which port, where it fails from.
 */
export const openPoints = ['meaning', 'name', 'object', 'owner', 'target', 'port', 'from'] as const;
export type OpenPoint = (typeof openPoints)[number];

/** What a question leaves open, and the whole questions that it could be. */
export interface Doubt {
  readonly open: OpenPoint;
  /** The name, address or node that it is about. */
  readonly about: string;
  /** `label`: what is different about it. `text`: the whole question, in the grammar of an ask. */
  readonly choices: readonly { readonly label: string; readonly text: string }[];
  /** The question as it is, with the engine's guess in it; absent where it cannot be run as it is. */
  readonly guess?: string;
}

/** As much of a question as was understood. */
export interface Draft {
  readonly target?: string;
  readonly port?: number;
  readonly from?: string;
  readonly symptom?: string;
}

/** What somebody's words amount to. */
export type Interpretation =
  /** `wasRead`: taken from prose or from a message that it points at, so what was understood has to be said. */
  | { readonly kind: 'question'; readonly text: string; readonly wasRead: boolean }
  | { readonly kind: 'doubt'; readonly doubt: Doubt; readonly wasRead: boolean }
  /** Not enough for a question. `why`: what the grammar says of the words themselves. */
  | {
      readonly kind: 'unclear';
      readonly draft: Draft;
      readonly why: { readonly message: string; readonly hint: string };
    };
