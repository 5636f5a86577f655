/** The address of a message, from what a run knows of it. Slack sends it on to the workspace of who follows it. */
export function slackLink(channel: string, ts: string): string {
  return `https://slack.com/archives/${encodeURIComponent(channel)}/p${ts.replace(/[^0-9]/g, '')}`;
}

/** A day and a minute, the same for every reader: `2026-11-02 14:03 UTC`. */
export function minuteText(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
