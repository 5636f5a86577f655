import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exhibits } from './fakes/slack/gallery.ts';
import { renderGallery } from './fakes/slack/render-html.ts';

/** `npm run gallery [FILE]`: a page with every kind of message that netcheck sends in Slack, to look at. */
const file = process.argv[2] ?? path.join(mkdtempSync(path.join(tmpdir(), 'netcheck-gallery-')), 'gallery.html');
writeFileSync(file, renderGallery(await exhibits({ pictures: true })));
process.stdout.write(`${file}\n`);
