import type { Options } from '../cli.ts';
import { NetcheckError } from '../model/errors.ts';
import type { Capture, Connection } from '../model/facts.ts';
import type { Language } from '../model/language.ts';
import type { JoinedCaptures } from '../model/packet-facts.ts';
import type { Finding, Ladder } from '../model/report.ts';
import { createPcapSession, type PcapSession, type TcpPacketLine } from '../packets/analyse-file.ts';
import type { Diagnosed } from '../report/conversation-diagnosis.ts';
import { visibleText } from '../report/visible-text.ts';
import { readCapture } from './read-capture.ts';
import { progressLine } from './reading-progress.ts';
import { terminalOf } from './terminal-of.ts';
import { claimOutput, writeOutput } from './write-output.ts';

/** Output lines are written in pieces of about this many bytes: one write per line would be slow. */
const outputPiece = 256 * 1024;
/** Packets kept for ladders and for joining, of one file: about 60 bytes each. */
const maxLogged = 1_000_000;
/** Connections of one file that are joined with those of others. */
const maxJoined = 20_000;
/** Ladders on a page, per file and for what several files share. */
const maxLadders = 6;
/** Steps of the ladder of one conversation in the terminal. */
const maxTerminalSteps = 120;

/** A file that was read. */
interface Taken {
  readonly file: string;
  readonly session: PcapSession;
  readonly capture: Capture;
  readonly findings: readonly Finding[];
}

/** What the command line asked for, checked. */
interface Asked {
  readonly files: readonly string[];
  readonly language: Language;
  readonly flow: number | null;
  readonly packets: boolean;
  readonly json: boolean;
  readonly html: string | undefined;
  readonly svg: string | undefined;
  readonly mode: 'netcheck' | 'wireshark';
}

/**
 * `netcheck pcap FILE...`: the diagnosis of each file and its conversations, worst first; of several files also where
 * packets of the connections that they share died. `--flow N` draws one conversation, `--packets` prints one line per
 * TCP packet (with `--flow N`: every packet of that conversation), `--html FILE` and `--svg FILE` (with `--flow N`)
 * write pictures, `--json` prints one line per file (connections included, all of them) and one for what was joined.
 *
 * @returns 1 where a rule found a fault (confirmed or likely) or a connection failed, else 2 where a file gave nothing,
 *   else 0; with `--packets` 2 or 0
 * @throws NetcheckError for a wrong command line, and where the only file cannot be read (64)
 */
export async function pcap(files: readonly string[], options: Options): Promise<number> {
  const asked = ask(files, options);
  if (asked.html !== undefined) claimOutput(asked.html);
  if (asked.svg !== undefined) claimOutput(asked.svg);
  const taken: Taken[] = [];
  let gaveNothing = false;
  let found = false;
  for (const file of files) {
    try {
      const one = await take(file, asked);
      gaveNothing ||= one.capture.packets === 0 && one.capture.problems.length > 0;
      if (!asked.packets) found ||= isFaulty(one);
      // A file alone is shown and let go; several are kept until they have been joined.
      if (asked.flow === null) await showFile(one, asked);
      if (keepsAll(asked)) taken.push(one);
    } catch (error) {
      if (files.length === 1 || !(error instanceof NetcheckError)) throw error;
      process.stderr.write(`${visibleText(error.message)}\n`);
      gaveNothing = true;
    }
  }
  const joined = taken.length > 1 ? await joinAll(taken) : undefined;
  if (asked.flow !== null) await showFlow(taken, joined, asked, asked.flow);
  else {
    if (joined !== undefined && !asked.packets) await showJoined(joined, asked);
    if (asked.html !== undefined) await writePage(taken, joined, asked, asked.html);
  }
  return found ? 1 : gaveNothing ? 2 : 0;
}

function ask(files: readonly string[], options: Options): Asked {
  if (files.length === 0)
    throw new NetcheckError(
      'usage/missing-argument',
      'netcheck pcap takes at least one capture file, or - for standard input.',
      'For example: netcheck pcap incident.pcap',
    );
  if (options.as !== undefined && options.as !== 'wireshark')
    throw new NetcheckError(
      'usage/unknown-option',
      `--as takes only wireshark, not "${options.as}".`,
      'Leave it out for our own reading of retransmissions.',
    );
  if (options.flow !== undefined && !/^\d{1,9}$/.test(options.flow))
    throw new NetcheckError(
      'usage/unknown-option',
      `--flow takes the number of a conversation, not "${options.flow}".`,
      'netcheck pcap FILE lists them with their numbers.',
    );
  if (options.svg !== undefined && options.flow === undefined)
    throw new NetcheckError(
      'usage/missing-argument',
      '--svg draws one conversation: it needs --flow N.',
      'netcheck pcap FILE lists them with their numbers.',
    );
  return {
    files,
    language: options.lang === 'zh' ? 'zh' : 'en',
    flow: options.flow === undefined ? null : Number(options.flow),
    packets: options.packets ?? false,
    json: options.json ?? false,
    html: options.html,
    svg: options.svg,
    mode: options.as === 'wireshark' ? 'wireshark' : 'netcheck',
  };
}

/** Whether what was read of a file is needed after it has been shown. */
function keepsAll({ files, flow, html, packets }: Asked): boolean {
  return flow !== null || html !== undefined || (files.length > 1 && !packets);
}

async function take(file: string, asked: Asked): Promise<Taken> {
  const { flow, mode } = asked;
  const out = lineWriter();
  // With --flow the packets are those of one conversation, and come from the log.
  const printsPackets = asked.packets && flow === null;
  const onlyFlow = flow !== null && asked.files.length === 1 ? { only: flow } : {};
  const session = createPcapSession({
    mode,
    packets: printsPackets,
    evidence: file,
    ...(asked.json ? { onVerdicts: jsonLines(out.write) } : { onTcpPacket: textLines(out.write) }),
    ...(keepsAll(asked) ? { log: { maxPackets: maxLogged, ...onlyFlow } } : {}),
  });
  const progress = progressLine(process.stderr, visibleText(file), () => session.snapshot().packets);
  const stopped = await readCapture(
    file,
    (chunk) => {
      session.push(chunk);
    },
    (read) => {
      progress.show(read);
    },
  );
  const { capture, problems } = session.finish();
  progress.end(capture.packets);
  out.end();
  const all = stopped === null ? problems : [...problems, { message: `reading stopped: ${stopped}` }];
  for (const { message } of all) process.stderr.write(`${visibleText(`${file}: ${message}`)}\n`);
  const whole = { ...capture, problems: all };
  return { file, session, capture: whole, findings: asked.packets ? [] : await judge(whole, file, asked.language) };
}

/** Every rule that needs only packets. Loaded here: who asks for packets only need not wait for the rules. */
async function judge(capture: Capture, place: string, language: Language): Promise<readonly Finding[]> {
  if (capture.packets === 0) return [];
  const [{ judgeCapture }, { captureRules: rules }] = await Promise.all([
    import('../engine/judge-capture.ts'),
    import('../rules/capture-rules.ts'),
  ]);
  return judgeCapture({ rules, capture, place, language });
}

function isFaulty({ capture, findings }: Taken): boolean {
  return (
    findings.some(({ verdict }) => verdict === 'confirmed' || verdict === 'likely') ||
    capture.connections.some(
      ({ handshake, syns }) =>
        handshake === 'refused' || handshake === 'icmpError' || (handshake === 'unanswered' && syns.length > 1),
    )
  );
}

// ------------------------------------------------------------------------------------------------------- showing

async function showFile(one: Taken, asked: Asked): Promise<void> {
  if (asked.packets) return;
  if (asked.json) {
    writeJson(one);
    return;
  }
  const { renderConversations, flowHint } = await import('../report/pcap-text.ts');
  const { width, colour } = terminalOf(process.stdout);
  const { capture, findings, file } = one;
  const text = renderConversations(capture, { width, colour, language: asked.language, findings });
  const hint = process.stdout.isTTY ? flowHint(capture, file, asked.language) : '';
  process.stdout.write(`${text}\n${hint === '' ? '' : `\n${hint}\n`}${asked.files.length > 1 ? '\n' : ''}`);
}

/** One line. The connections are made one after the other: there may be hundreds of thousands. */
function writeJson({ file, session, capture, findings }: Taken): void {
  const { connections: _some, ...rest } = capture;
  const out = lineWriter();
  const head = JSON.stringify({ file, ...rest, findings });
  out.write(`${head.slice(0, -1)},"connections":[`);
  let first = true;
  for (const connection of session.connections()) {
    out.write(`${first ? '' : ','}${JSON.stringify(connection)}`);
    first = false;
  }
  out.write(']}\n');
  out.end();
}

async function showJoined(joined: JoinedCaptures, asked: Asked): Promise<void> {
  if (asked.json) {
    process.stdout.write(`${JSON.stringify({ files: asked.files, joined })}\n`);
    return;
  }
  const { renderJoined } = await import('../report/pcap-text.ts');
  const { width, colour } = terminalOf(process.stdout);
  process.stdout.write(`${renderJoined(joined, { width, colour, language: asked.language })}\n`);
}

/** One conversation: of the files together where they share it, else of the first file. */
async function showFlow(
  taken: readonly Taken[],
  joined: JoinedCaptures | undefined,
  asked: Asked,
  number: number,
): Promise<void> {
  const [one] = taken;
  if (one === undefined) return;
  const { language } = asked;
  const [{ pcapWording }, { joinedLadder }] = await Promise.all([
    import('../report/pcap-wording.ts'),
    import('../report/conversation-ladder.ts'),
  ]);
  const connection = connectionOf(one, number);
  if (connection === undefined) {
    let count = 0;
    for (const each of one.session.connections()) count = Math.max(count, each.number + 1);
    throw new NetcheckError(
      'usage/unknown-option',
      `${one.file}: ${pcapWording[language].noFlow(String(number), count)}`,
      `netcheck pcap ${one.file} lists them with their numbers.`,
    );
  }
  const packets = one.session.packetsOf(number);
  if (asked.json) {
    process.stdout.write(
      asked.packets
        ? packets.map(({ frame, analysis }) => `${JSON.stringify({ frame, flags: analysis })}\n`).join('')
        : `${JSON.stringify({ file: one.file, flow: number, connection, packets })}\n`,
    );
    return;
  }
  // The places stand in the order of the way, not of the command line.
  const place = joined?.places.indexOf(placeNames(asked.files)[asked.files.indexOf(one.file)] ?? '') ?? -1;
  const shared = joined?.connections.find(
    ({ numbers }) => numbers[place] === number && numbers.filter((each) => each !== null).length > 1,
  );
  const own = await ladderOf(one, connection, asked);
  const ladder =
    joined === undefined || shared === undefined
      ? own
      : joinedLadder(joined, shared, {
          language,
          capturedOn: '',
          evidence: one.file,
          captureEndMs: one.capture.lastAtMs,
          fold: !asked.packets,
          ...(own.title === undefined ? {} : { title: own.title }),
        });
  if (asked.svg !== undefined) {
    const { renderLadderSvg } = await import('../report/ladder-svg.ts');
    writeOutput(asked.svg, renderLadderSvg(ladder, { language, maxSteps: 200 }));
  }
  if (asked.html !== undefined) await writePage([one], undefined, asked, asked.html, ladder);
  const [{ renderLadderText }, { wrapText }] = await Promise.all([
    import('../report/ladder-text.ts'),
    import('../report/wrap-text.ts'),
  ]);
  const { width, colour } = terminalOf(process.stdout);
  const lines = renderLadderText(ladder, {
    width,
    colour,
    language,
    maxSteps: asked.packets ? Number.MAX_SAFE_INTEGER : maxTerminalSteps,
  });
  const out = lineWriter();
  const heading = wrapText(`#${number}  ${ladder.title === undefined ? '' : visibleText(ladder.title)}`, width);
  out.write(`${heading.join('\n')}\n\n`);
  for (const line of lines) out.write(`${line}\n`);
  if (packets.length >= maxLogged) out.write(`\n${pcapWording[language].flowCut(maxLogged)}\n`);
  out.end();
}

function connectionOf({ capture, session }: Taken, number: number): Connection | undefined {
  const known = capture.connections.find((connection) => connection.number === number);
  if (known !== undefined) return known;
  for (const connection of session.connections()) if (connection.number === number) return connection;
  return undefined;
}

/** The ladder of one conversation with its one line of diagnosis over it. */
async function ladderOf({ capture, session, file }: Taken, connection: Connection, asked: Asked): Promise<Ladder> {
  const [{ diagnoseConversations }, { conversationLadder }] = await Promise.all([
    import('../report/conversation-diagnosis.ts'),
    import('../report/conversation-ladder.ts'),
  ]);
  const { language } = asked;
  const diagnosed = diagnoseConversations({ ...capture, connections: [connection] }, language)[0];
  return conversationLadder(connection, session.packetsOf(connection.number), {
    language,
    capturedOn: file.split('/').at(-1) ?? file,
    evidence: file,
    captureEndMs: capture.lastAtMs,
    icmpErrors: capture.icmpErrors,
    fold: !asked.packets,
    ...(diagnosed === undefined ? {} : { title: diagnosed.text }),
  });
}

/** @param drawn the one ladder that was asked for; without it those of the worst conversations are drawn */
async function writePage(
  taken: readonly Taken[],
  joined: JoinedCaptures | undefined,
  asked: Asked,
  file: string,
  drawn?: Ladder,
): Promise<void> {
  const { language, flow } = asked;
  const [{ renderPcapHtml }, { diagnoseConversations }, { joinedLadder }, { joinedOverview }] = await Promise.all([
    import('../report/pcap-html.ts'),
    import('../report/conversation-diagnosis.ts'),
    import('../report/conversation-ladder.ts'),
    import('../report/joined-overview.ts'),
  ]);
  const captures = [];
  for (const one of taken) {
    const { capture, findings } = one;
    const ladders = [];
    if (drawn !== undefined && flow !== null) ladders.push({ number: flow, ladder: drawn });
    else {
      for (const connection of worthDrawing(diagnoseConversations(capture, language))) {
        const ladder = await ladderOf(one, connection, asked);
        if (ladder.steps.length > 0) ladders.push({ number: connection.number, ladder });
      }
    }
    captures.push({ capture, findings, ladders });
  }
  const rows = joined === undefined ? [] : joinedOverview(joined, language, maxLadders).rows;
  writeOutput(
    file,
    renderPcapHtml(captures, {
      language,
      ...(joined === undefined || rows.length === 0
        ? {}
        : {
            joined: {
              captures: joined,
              ladders: rows.map((row) =>
                joinedLadder(joined, row.joined, {
                  language,
                  capturedOn: '',
                  evidence: '',
                  captureEndMs: null,
                  title: row.verdict,
                }),
              ),
            },
          }),
    }),
  );
}

/** The worst conversations, one of each kind: the same story need not be drawn twice. */
function worthDrawing(worstFirst: readonly Diagnosed[]): readonly Connection[] {
  const kinds = new Map<string, Connection>();
  for (const { state, connection } of worstFirst) {
    const isCalm = state === 'fine' || state === 'midStream';
    if (isCalm && kinds.size > 0) break;
    const { client, server } = connection;
    const kind = `${state} ${client.address} ${server.address} ${server.port}`;
    if (!kinds.has(kind)) kinds.set(kind, connection);
    if (kinds.size === maxLadders) break;
  }
  return [...kinds.values()];
}

/** Lays the captures over each other. Of files with very many connections those that something happened to. */
async function joinAll(taken: readonly Taken[]): Promise<JoinedCaptures> {
  const { joinCaptures } = await import('../packets/join-captures.ts');
  const names = placeNames(taken.map(({ file }) => file));
  return joinCaptures(
    taken.map(({ capture, session }, index) => {
      const connections: Connection[] = [];
      for (const connection of session.connections()) {
        connections.push(connection);
        if (connections.length > maxJoined) break;
      }
      return {
        name: names[index] ?? '',
        capture,
        connections: connections.length > maxJoined ? capture.connections : connections,
        packetsOf: (number) => session.packetsOf(number),
      };
    }),
  );
}

/** The names of the files without their directories, where that tells them apart. */
function placeNames(files: readonly string[]): readonly string[] {
  const short = files.map((file) => file.split('/').at(-1) ?? file);
  return new Set(short).size === files.length ? short : files;
}

// --------------------------------------------------------------------------------------------------------- lines

/** Collects lines as bytes: text that waits in a long string keeps the garbage collector busy. */
function lineWriter(): { readonly write: (text: string) => void; readonly end: () => void } {
  let piece = Buffer.allocUnsafeSlow(outputPiece);
  let used = 0;
  const flush = (): void => {
    if (used > 0) process.stdout.write(piece.subarray(0, used));
    used = 0;
  };
  return {
    write(text) {
      // At most three bytes of UTF-8 for one UTF-16 unit.
      if (text.length * 3 > outputPiece) {
        flush();
        piece = Buffer.allocUnsafeSlow(outputPiece);
        process.stdout.write(text);
        return;
      }
      if (used + text.length * 3 > outputPiece) {
        flush();
        // The stream may still hold the old one.
        piece = Buffer.allocUnsafeSlow(outputPiece);
      }
      used += piece.write(text, used);
    },
    end: flush,
  };
}

/** `{"frame":N,"flags":[…]}`: the names are our own constants, so nothing needs to be escaped. */
function jsonLines(write: (line: string) => void): (frame: number, analysis: readonly string[]) => void {
  return (frame, analysis) => {
    write(
      analysis.length === 0
        ? `{"frame":${frame},"flags":[]}\n`
        : `{"frame":${frame},"flags":["${analysis.join('","')}"]}\n`,
    );
  };
}

function textLines(write: (line: string) => void): (line: TcpPacketLine) => void {
  return ({ frame, atMs, src, dst, flagsText, seq, len, analysis }) => {
    const verdicts = analysis.length > 0 ? ` [${analysis.join(', ')}]` : '';
    write(`${frame} ${(atMs / 1000).toFixed(6)} ${src} > ${dst} ${flagsText} seq ${seq} len ${len}${verdicts}\n`);
  };
}
