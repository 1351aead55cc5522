// How EXIF data says that a picture is to be turned, and how to turn it back. Only the orientation is read (tag 0x0112 of
// the first directory, see https://www.cipa.jp/std/documents/e/DC-008-2012_E.pdf).

/** Bytes at a file's start in which the EXIF data begins, if there is any. */
export const HEAD = 256 * 1024;

const ORIENTATION = 0x0112;

/**
 * 1 to 8; 1 is as it is, also where nothing is said or what is said is damaged.
 * @param {Uint8Array<ArrayBuffer>} head The first bytes of a JPEG, PNG or WebP.
 */
export function orientationOf(head) {
  const start = tiffStart(head);
  if (start < 0) return 1;
  const view = new DataView(head.buffer, head.byteOffset + start, head.byteLength - start);
  const little = head[start] === 0x49;
  try {
    const directory = view.getUint32(4, little);
    for (let i = 0, count = view.getUint16(directory, little); i < count; i++) {
      const entry = directory + 2 + 12 * i;
      if (view.getUint16(entry, little) !== ORIENTATION) continue;
      const value = view.getUint16(entry + 8, little);
      return value >= 1 && value <= 8 ? value : 1;
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
  return 1;
}

/**
 * Where the data begin: "II*" or "MM*" soon behind "Exif", in one of the cases that formats write it in; -1 where nowhere.
 * @param {Uint8Array} head
 */
function tiffStart(head) {
  const text = new TextDecoder("latin1").decode(head);
  const found = /exif[\s\S]{0,8}?(II\*\0|MM\0\*)/i.exec(text);
  return found ? found.index + found[0].length - 4 : -1;
}

/**
 * The matrix `[a, b, c, d, e, f]` that draws a turned picture as it is stored, for the orientations that swap width and height.
 * @param {number} orientation
 * @param {{width: number, height: number}} stored In pixels.
 * @returns {[number, number, number, number, number, number] | null}
 */
export function turnedBack(orientation, {width, height}) {
  if (orientation === 5) return [0, 1, 1, 0, 0, 0];
  if (orientation === 6) return [0, -1, 1, 0, 0, height];
  if (orientation === 7) return [0, -1, -1, 0, width, height];
  if (orientation === 8) return [0, 1, -1, 0, width, 0];
  return null;
}
