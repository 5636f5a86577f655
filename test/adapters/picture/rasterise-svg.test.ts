import { describe, expect, it } from 'vitest';
import { rasteriseSvg } from '../../../src/adapters/picture/rasterise-svg.ts';

const drawing = (text: string, style = '', width = 60, height = 40): string =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"><style>${style}</style><rect width="100%" height="100%" fill="#ffffff"/><text x="4" y="28" style="font-family:monospace;font-size:20px">${text}</text></svg>`;

async function png(svg: string): Promise<Buffer> {
  const bytes = await rasteriseSvg(svg);
  if (bytes === null) throw new Error('there is no renderer for this machine');
  return Buffer.from(bytes);
}

describe('a picture of an SVG', () => {
  it('is a PNG of twice its size', async () => {
    const image = await png(drawing('SYN'));
    expect(image.subarray(1, 4).toString()).toBe('PNG');
    expect([image.readUInt32BE(16), image.readUInt32BE(20)]).toEqual([120, 80]);
  });

  it('has letters and Chinese characters of its own fonts', async () => {
    const images = await Promise.all(['', 'SYN', '客', '户', '→'].map((text) => png(drawing(text))));
    expect(new Set(images.map((image) => image.toString('base64'))).size).toBe(5);
  });

  it('is the same every time', async () => {
    expect(await png(drawing('无应答'))).toEqual(await png(drawing('无应答')));
  });

  it('is drawn smaller where it would be too large', async () => {
    const image = await png(drawing('SYN', '', 20_000, 4_000));
    expect(image.readUInt32BE(16) * image.readUInt32BE(20)).toBeLessThanOrEqual(24_100_000);
  });

  it('fetches nothing', async () => {
    const hostile = drawing('').replace('<rect', '<image href="file:///etc/passwd" width="9" height="9"/><rect');
    expect(await png(hostile)).toEqual(await png(drawing('')));
  });

  it('of something else fails', async () => {
    await expect(rasteriseSvg('no drawing')).rejects.toThrow();
  });
});
