// Follows edges in the picture of one image, beside the page: reads the picture, and answers one question after another.

import {HEAD, orientationOf, turnedBack} from "../geometry/orientation.js";
import {EdgeWindow} from "./edge_window.js";

/** @import {EdgeQuestion} from "./types.js" */
/** @import {Pixels} from "./edge_window.js" */

/** @type {{url: string, window: Promise<EdgeWindow>} | null} Of the picture that was asked about last. */
let last = null;

globalThis.onmessage = async ({data: {number, question}}) => {
  try {
    const window = await windowOf(question);
    globalThis.postMessage({number, answer: question.to && window.answer(question)});
  } catch (error) {
    last = null;
    globalThis.postMessage({number, error: error instanceof Error ? error.message : String(error)});
  }
};

/** @param {EdgeQuestion} question */
function windowOf({url, frame}) {
  if (last?.url !== url) last = {url, window: read(url, frame).then((pixels) => new EdgeWindow(pixels))};
  return last.window;
}

/**
 * A picture as the page shows it: turned as its EXIF data says, unless the record's size is that of the pixels as they are stored.
 * @param {string} url
 * @param {EdgeQuestion["frame"]} frame
 * @returns {Promise<Pixels>}
 */
async function read(url, frame) {
  const file = await fetched(url);
  const picture = await createImageBitmap(file).catch(async () => createImageBitmap(await fetched(`${url}?as=jpeg`)));
  const isTurned = frame !== null && picture.width !== picture.height && picture.width === frame.height && picture.height === frame.width;
  const matrix = isTurned ? turnedBack(orientationOf(new Uint8Array(await file.slice(0, HEAD).arrayBuffer())), frame) : null;
  const {width, height} = matrix && frame ? frame : picture;
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  if (!context) throw new Error("this browser can't read pixels");
  if (matrix) context.setTransform(...matrix);
  context.drawImage(picture, 0, 0);
  picture.close();
  return {width, height, colours: (left, top, wide, high) => context.getImageData(left, top, wide, high).data};
}

/** @param {string} url */
async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`the server answers with ${answer.status}`);
  return answer.blob();
}
