// The files that somebody drops, those in folders too. What becomes of them is not known here.

/** Hidden files, which systems put into folders. */
const HIDDEN = /^\.|^(Thumbs\.db|desktop\.ini)$/i;

/**
 * Whether what is dragged are files, and not text or an image of a page.
 * @param {DataTransfer | null} transfer
 */
export const hasFiles = (transfer) => Boolean(transfer?.types.includes("Files"));

/**
 * All files that were dropped. To be called at once: what was dropped is there only while its event is handled.
 * @param {DataTransfer} transfer
 * @returns {Promise<File[]>}
 */
export async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => (item.kind === "file" ? (item.webkitGetAsEntry?.() ?? null) : null));
  const files = [...transfer.files];
  if (!entries.some((entry) => entry?.isDirectory)) return files;
  return (await Promise.all(entries.map((entry) => (entry ? filesIn(entry) : [])))).flat();
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<File[]>}
 */
async function filesIn(entry) {
  if (HIDDEN.test(entry.name)) return [];
  if (entry.isFile)
    return new Promise((resolve) => /** @type {FileSystemFileEntry} */ (entry).file((file) => resolve([file]), () => resolve([])));
  const reader = /** @type {FileSystemDirectoryEntry} */ (entry).createReader();
  const found = [];
  // A reader gives some at a time, and none at the end.
  for (;;) {
    const some = await new Promise((/** @type {(entries: FileSystemEntry[]) => void} */ resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!some.length) break;
    for (const each of some) found.push(...(await filesIn(each)));
  }
  return found;
}
