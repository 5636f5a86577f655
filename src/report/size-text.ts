/** A number of bytes for people, in powers of 1024: `0 B`, `2.4 kB`, `16 MB`. */
export function sizeText(bytes: number): string {
  let size = bytes;
  for (const unit of ['B', 'kB', 'MB', 'GB']) {
    if (Math.abs(size) < 1000 || unit === 'GB')
      return `${size < 10 ? Number(size.toFixed(1)) : Math.round(size)} ${unit}`;
    size /= 1024;
  }
  return `${bytes} B`;
}
