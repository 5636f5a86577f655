import { command } from './network.ts';

/**
 * What a lab inside this one could leave behind, as seen from its machine (here: the outer lab, which stands for it).
 * Compare two of them.
 * @param own matches the command lines of the processes that are looked for
 */
export async function traces(own: RegExp): Promise<{
  readonly links: string;
  readonly namespaces: string;
  readonly routes: string;
  readonly processes: readonly string[];
}> {
  const [links, namespaces, routes, processes] = await Promise.all([
    command(['ip', '-o', 'link']),
    command(['ip', 'netns', 'list']),
    command(['ip', 'route', 'show', 'table', 'all']),
    command(['ps', '-eo', 'stat=,args=']),
  ]);
  return {
    links: links.stdout,
    namespaces: namespaces.stdout,
    routes: routes.stdout,
    processes: processes.stdout.split('\n').filter((line) => own.test(line) && !line.startsWith('Z')),
  };
}
