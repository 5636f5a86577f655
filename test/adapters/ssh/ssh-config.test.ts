import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listSshConfigHosts, resolveSshConfig, sshConfigKnownHosts } from '../../../src/adapters/ssh/ssh-config.ts';
import { InventoryNode } from '../../../src/model/inventory.ts';

const noSsh = spawnSync('ssh', ['-V']).error === undefined ? undefined : 'openssh-client is not installed';

let directory: string;
const write = async (name: string, text: string): Promise<string> => {
  await writeFile(path.join(directory, name), text);
  return path.join(directory, name);
};
beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'netcheck-ssh-config-'));
  await mkdir(path.join(directory, 'conf.d'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

describe('listSshConfigHosts', () => {
  it('lists concrete names, Include followed, wildcards and negations left out', async () => {
    await write('conf.d/10-one.conf', 'Host included-1\nInclude nested-missing\n');
    await write('conf.d/20-two.conf', `Host=included-2\n  HostName 10.0.0.2\n`);
    await write('conf.d/ignored.txt', 'Host not-included\n');
    const file = await write(
      'config',
      `# Host commented
Include ${directory}/conf.d/*.conf
Host node-12 node-13 *.example !node-14 node-1?
  HostName 10.0.0.12
host "quoted-name" # Host trailing
Host -oProxyCommand=reboot a;b
Match host node-15
Include ${directory}/config
`,
    );
    expect(await listSshConfigHosts({ file })).toEqual([
      'included-1',
      'included-2',
      'node-12',
      'node-13',
      'quoted-name',
    ]);
  });

  it('gives none where there is no file', async () => {
    expect(await listSshConfigHosts({ file: path.join(directory, 'absent') })).toEqual([]);
  });
});

describe.skipIf(noSsh !== undefined)(`resolveSshConfig${noSsh === undefined ? '' : ` (skipped: ${noSsh})`}`, () => {
  it('gives the node that ssh would connect to', async () => {
    const identity = await write('key', '');
    const file = await write(
      'resolve',
      `Host node-12
  HostName 10.0.0.12
  Port 2222
  User carol
  IdentityFile ${directory}/absent
  IdentityFile ${identity}
  ProxyJump bob@bastion:2200,inner
  HostKeyAlias the-node
  UserKnownHostsFile ${directory}/a ${directory}/b
Host plain
`,
    );
    const node = await resolveSshConfig('node-12', { file });
    expect(node).toEqual({
      name: 'node-12',
      address: '10.0.0.12',
      port: 2222,
      user: 'carol',
      identityFile: identity,
      jump: 'bob@bastion:2200,inner',
      hostKeyAlias: 'the-node',
      serves: [],
      labels: {},
      sudo: false,
    });
    expect(InventoryNode.safeParse(node).success).toBe(true);
    expect(await sshConfigKnownHosts('node-12', { file })).toEqual([`${directory}/a`, `${directory}/b`]);

    const plain = await resolveSshConfig('plain', { file });
    expect(plain).toMatchObject({ address: 'plain', port: 22, user: userInfo().username });
    expect(plain).not.toHaveProperty('jump');
    expect(plain).not.toHaveProperty('identityFile');
    expect(await sshConfigKnownHosts('plain', { file })).toBeUndefined();
  });

  it('refuses a ProxyCommand and a damaged file with what to do', async () => {
    const proxy = await write('proxy', 'Host node-12\n  ProxyCommand nc %h %p\n');
    await expect(resolveSshConfig('node-12', { file: proxy })).rejects.toMatchObject({
      code: 'config/invalid',
      message: expect.stringContaining('ProxyCommand'),
      hint: expect.stringContaining('ProxyJump'),
    });
    const damaged = await write('damaged', 'Host node-12\n  Porrt 22\n');
    await expect(resolveSshConfig('node-12', { file: damaged })).rejects.toMatchObject({
      code: 'config/invalid',
      message: expect.stringMatching(/porrt/i),
    });
  });

  it.each(['-oProxyCommand=touch${IFS}x', 'a b', '', '$(id)'])('never hands %j to ssh', async (name) => {
    expect(await resolveSshConfig(name)).toBeNull();
  });
});
