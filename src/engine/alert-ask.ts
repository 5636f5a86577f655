import type { Alert } from '../model/alert.ts';
import { AlertAsk, type AlertRoute, type AlertSettings, type LabelRef } from '../model/alert-settings.ts';
import { NetcheckError } from '../model/errors.ts';
import { parseAsk } from './ask.ts';

/** What is to be asked about an alert, and where. */
export interface RoutedAlert {
  readonly channel: string;
  /** A question in the one grammar, or why the alert makes none. */
  readonly question:
    | { readonly ok: true; readonly text: string }
    | { readonly ok: false; readonly message: string; readonly hint: string };
}

/** @returns undefined where nobody wants to hear of it */
export function routeAlert(alert: Pick<Alert, 'labels'>, settings: AlertSettings): RoutedAlert | undefined {
  const route = settings.routes.find((one) => matches(alert, one));
  const channel = route?.channel ?? settings.channel;
  if (channel === undefined) return undefined;
  try {
    return { channel, question: { ok: true, text: questionOf(alert, route?.ask ?? AlertAsk.parse({})) } };
  } catch (error) {
    if (!(error instanceof NetcheckError)) throw error;
    return { channel, question: { ok: false, message: error.message, hint: error.hint } };
  }
}

function matches({ labels }: Pick<Alert, 'labels'>, { match }: AlertRoute): boolean {
  return Object.entries(match).every(([label, patterns]) => {
    const value = valueIn(labels, label) ?? '';
    return patterns.some((pattern) =>
      pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : pattern === value,
    );
  });
}

/**
 * The question that a person would have typed. Only names, addresses and numbers that are nothing else come in: what
 * is built is read back with the grammar, and must mean what was put in.
 *
 * @throws NetcheckError `ask/…`
 */
export function questionOf({ labels }: Pick<Alert, 'labels'>, ask: AlertAsk): string {
  const valueOf = (ref: LabelRef): string => {
    const value = valueIn(labels, ref.label);
    if (value !== undefined && value !== '') return value;
    throw new NetcheckError(
      'ask/bad-name',
      `The alert has no label "${ref.label}".`,
      'Name another label under alerts.routes in netcheck.yaml.',
    );
  };
  const placeOf = (ref: string | LabelRef): { readonly host: string; readonly port?: string } =>
    typeof ref === 'string' ? { host: ref } : hostOf(valueOf(ref));

  const { host, port: portOfHost } =
    typeof ask.target === 'object' && 'kind' in ask.target
      ? { host: `${ask.target.kind} ${word(valueOf({ label: ask.target.namespace }))}/${word(valueOf(ask.target))}` }
      : { port: undefined, ...placeOf(ask.target) };
  const port =
    ask.port === undefined ? portOfHost : typeof ask.port === 'number' ? String(ask.port) : word(valueOf(ask.port));
  const parts = [
    host,
    ...(port === undefined ? [] : ['port', port]),
    ...ask.from.flatMap((ref) => ['from', placeOf(ref).host]),
    ...ask.via.flatMap((ref) => ['via', placeOf(ref).host]),
    ...(ask.protocol === 'udp' ? ['udp'] : []),
    ...(ask.playbook === undefined ? [] : ['playbook', ask.playbook]),
  ];
  const text = parts.join(' ');
  const symptom = parseAsk(text);
  // A name that is a word of the grammar ("from", "udp") would be read as that word.
  if (
    symptom.words.length > 0 ||
    String(symptom.port) !== port ||
    symptom.from.length !== ask.from.length ||
    symptom.via.length !== ask.via.length
  )
    throw new NetcheckError(
      'ask/bad-name',
      `The labels of the alert make no question: "${text.slice(0, 200)}".`,
      'Name other labels under alerts.routes in netcheck.yaml.',
    );
  return text;
}

/** Own properties only: a label may be called `constructor`. */
function valueIn(labels: Readonly<Record<string, string>>, label: string): string | undefined {
  return Object.hasOwn(labels, label) ? labels[label] : undefined;
}

/** `node-50`, `10.0.0.50:9100`, `[fd00::1]:443`, `https://shop.example:8443/health` -> host and port. */
function hostOf(value: string): { readonly host: string; readonly port?: string } {
  const url = /^([a-z][a-z0-9+.-]{0,30}):\/\/([^/?#@\s]{1,300})(?:[/?#]|$)/i.exec(value);
  const authority = url?.[2] ?? value;
  const scheme = url?.[1]?.toLowerCase();
  const implied = scheme === 'https' ? '443' : scheme === 'http' ? '80' : undefined;
  const bracketed = /^\[([0-9a-f:.]{2,45})\](?::(\d{1,5}))?$/i.exec(authority);
  const colons = authority.split(':').length - 1;
  const plain = colons > 1 ? undefined : /^([^:]+)(?::(\d{1,5}))?$/.exec(authority);
  const host = bracketed?.[1] ?? plain?.[1] ?? authority;
  const port = bracketed?.[2] ?? plain?.[2] ?? implied;
  return { host: word(host), ...(port === undefined ? {} : { port }) };
}

/** One word of the grammar: nothing in it can begin another one. */
function word(value: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9_.:-]{0,252}$|^[0-9a-f:]{2,45}$/i.test(value)) return value;
  const shown = value.replaceAll(/[\p{Cc}\p{Cf}]/gu, '\ufffd');
  throw new NetcheckError(
    'ask/bad-name',
    `"${shown.length > 60 ? `${shown.slice(0, 57)}…` : shown}" of the alert is no name, address or port.`,
    'Name another label under alerts.routes in netcheck.yaml.',
  );
}
