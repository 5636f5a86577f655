/** A slash command, after it was acknowledged. */
export interface SlashDelivery {
  readonly text: string;
  readonly user: string;
  readonly channel: string;
  readonly team: string;
  /** Unique per command, the same when delivered again. */
  readonly triggerId: string;
  /** Shows text to the person only (response_url). Rejects where Slack does not take it. */
  readonly respond: (text: string, blocks?: readonly unknown[]) => Promise<void>;
}

/** An `app_mention` event, after it was acknowledged. */
export interface MentionDelivery {
  readonly text: string;
  readonly user: string;
  readonly channel: string;
  readonly team: string;
  readonly ts: string;
  readonly threadTs?: string | undefined;
  /** Slack says that it delivers this again. */
  readonly redelivered: boolean;
  /** Our own user id, so that the mention itself can be cut off. */
  readonly botUserId: string;
}

/** The shortcut "Diagnose this" on a message, after it was acknowledged. */
export interface ShortcutDelivery {
  /** The message as Slack gives it. */
  readonly message: unknown;
  readonly user: string;
  readonly channel: string;
  readonly team: string;
  readonly ts: string;
  readonly threadTs?: string | undefined;
  /** Unique per use, the same when delivered again; opens a modal, within three seconds. */
  readonly triggerId: string;
}

/** A press of one of our buttons, after it was acknowledged. */
export interface ClickDelivery {
  /** `action_id`. What follows a colon in it tells the buttons of one message apart. */
  readonly action: string;
  /** The value of the button, or of the option that was picked: an id and nothing else. */
  readonly value: string;
  /** The modal that it stands in; absent in a message. `privateMetadata`: what we gave it when it was opened. */
  readonly view?: { readonly id: string; readonly hash: string; readonly privateMetadata: string } | undefined;
  readonly user: string;
  /** Empty in a modal or in App Home. */
  readonly channel: string;
  readonly threadTs?: string | undefined;
  /** The message that the button stands in; absent in a modal or in App Home. */
  readonly messageTs?: string | undefined;
  readonly team: string;
  /** Opens a modal, within three seconds. */
  readonly triggerId: string;
}

/** A letter typed in a field that searches. Not acknowledged yet: the options are the acknowledgement. */
export interface SearchDelivery {
  readonly typed: string;
  readonly user: string;
  /** What we gave the view when it was opened. */
  readonly privateMetadata: string;
}

/** A modal that was sent in. Not acknowledged yet: what is wrong with its fields is said in the acknowledgement. */
export interface FormDelivery {
  readonly callbackId: string;
  /** What we gave the view when it was opened. */
  readonly privateMetadata: string;
  /** What stands in its fields, by `block_id`; absent where a field is empty. */
  readonly fields: Readonly<Record<string, string>>;
  /** Unique per view, the same when delivered again. */
  readonly viewId: string;
  readonly user: string;
  readonly team: string;
}
