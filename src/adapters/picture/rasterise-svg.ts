import { existsSync } from 'node:fs';
import path from 'node:path';

/** Pixels per px of the drawing: sharp on the screens of phones. */
const wantedScale = 2;
/** A drawing that would have more pixels is drawn smaller. */
const maxPixels = 24_000_000;

/** Beside dist/ and src/, as playbooks/ is. */
const fonts = path.join(import.meta.dirname, '..', '..', '..', 'fonts');
const fontFiles = ['DejaVuSansMono.ttf', 'DejaVuSansMono-Bold.ttf', 'NotoSansSC-Regular.ttf'].map((name) =>
  path.join(fonts, name),
);

/**
 * Draws an SVG as PNG, with fonts of our own, so that a machine without any gives the same picture. Fixed colours only:
 * variables and media queries of CSS are not known here.
 *
 * @param svg made by `src/report`: nothing in it is fetched, and texts in it are escaped
 * @returns null where there is no renderer for this machine (@resvg/resvg-js has builds for the usual ones)
 * @throws Error where it is no SVG
 */
export async function rasteriseSvg(svg: string): Promise<Uint8Array | null> {
  const { Resvg } = await import('@resvg/resvg-js').catch(() => ({ Resvg: null }));
  if (Resvg === null) return null;
  const font = {
    loadSystemFonts: false,
    fontFiles: fontFiles.filter((file) => existsSync(file)),
    defaultFontFamily: 'DejaVu Sans Mono',
    monospaceFamily: 'DejaVu Sans Mono',
    sansSerifFamily: 'Noto Sans SC',
  };
  // its size does not depend on fonts, which take time to read
  const { width, height } = new Resvg(svg, { font: { loadSystemFonts: false } });
  const scale = Math.min(wantedScale, Math.sqrt(maxPixels / Math.max(1, width * height)));
  const image = await drawn(() => new Resvg(svg, { font, fitTo: { mode: 'zoom', value: scale } }).render());
  return image.asPng();
}

/** Lets pending work of the process go first: drawing takes a tenth of a second of the processor. */
function drawn<Result>(draw: () => Result): Promise<Result> {
  return new Promise((resolve, reject) => {
    setImmediate(() => {
      try {
        resolve(draw());
      } catch (error) {
        reject(error instanceof Error ? error : new Error(String(error)));
      }
    });
  });
}
