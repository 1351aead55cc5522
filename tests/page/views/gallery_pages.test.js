import assert from "node:assert/strict";
import test from "node:test";
import {GalleryPages, PAGE} from "../../../cocoannot/web/static/views/gallery_pages.js";
import {until} from "../until.js";

/** @import {Edit} from "../../../cocoannot/web/static/types.js" */

/** @param {string} query */
async function begin(query) {
  /** @type {number[]} */
  const asked = [];
  globalThis.fetch = /** @type {typeof fetch} */ (async (path) => {
    const page = Number(/page=(\d+)/.exec(String(path))?.[1]);
    asked.push(page);
    const images = Array.from({length: PAGE}, (_, i) => ({id: (page - 1) * PAGE + i, width: 1, height: 1, _annotation_count: 0}));
    return new Response(JSON.stringify(images), {headers: {"X-Pagination": '{"total": 300}', "X-Dataset-Revision": "1"}});
  });
  // As the gallery does: what is in view is looked at again after each change.
  const pages = new GalleryPages(() => [0, PAGE].forEach((position) => pages.total !== null && pages.at(position)));
  pages.open(new URLSearchParams(query));
  await until(() => pages.positionOf(PAGE + 1) !== null, "two pages are there");
  asked.length = 0;
  const told = (/** @type {Edit[]} */ ...edits) => pages.heard({revision: 1, time: 0, user: null, edits});
  return {pages, asked, told};
}

/**
 * @param {number} image
 * @returns {Edit}
 */
const onImage = (image) => ({section: "annotations", id: 7, image_id: image, op: "add"});

test("a change asks again for the page with its image only, once for many, and what was shown stays", async () => {
  const {pages, asked, told} = await begin("");
  told(onImage(3));
  told(onImage(4));
  told(onImage(250));
  assert.equal(pages.positionOf(3), 3);
  await until(() => asked.length > 0, "it is asked");
  assert.equal(pages.positionOf(3), 3);
  assert.deepEqual(asked, [1]);
});

test("where filters choose the images, or there are others, all that is in view is asked for again", async () => {
  for (const [query, edit] of /** @type {[string, Edit][]} */ ([
    ["annotated=false", onImage(250)],
    ["", {section: "images", id: 999, image_id: 999, op: "add"}],
  ])) {
    const {asked, told} = await begin(query);
    told(edit);
    await until(() => asked.length === 2, "both pages");
  }
});

test("changes that nobody told of are asked for: from before the stream began, or while a page was on its way", async () => {
  const {pages, asked} = await begin("");
  pages.toldFrom(1);
  await new Promise((done) => setTimeout(done, 900));
  assert.deepEqual(asked, []);
  pages.toldFrom(2);
  await until(() => asked.length === 2, "both pages");
  // They are on their way, and come with revision 1.
  asked.length = 0;
  pages.heard({revision: 2, time: 0, user: null, edits: [onImage(3)]});
  await until(() => asked.length > 0, "they are asked for once more");
});
