import assert from "node:assert/strict";
import test from "node:test";
import {imageAddress, imagesAddress, routeOf} from "../../../cocoannot/web/static/state/router.js";

test("an address is read as it was made", () => {
  const query = new URLSearchParams("category_id=3&category_id=4&file_name=a b");
  const image = routeOf(imageAddress(-12, query));
  assert.deepEqual([image.view, image.id, image.query.toString()], ["image", -12, query.toString()]);
  const images = routeOf(imagesAddress(query));
  assert.deepEqual([images.view, images.id, images.query.getAll("category_id")], ["images", null, ["3", "4"]]);
  assert.equal(routeOf("#/statistics").view, "statistics");
});

test("what is no address shows the images", () => {
  for (const hash of ["", "#", "#/images/", "#/images/x", "#/images/1/2", "#/nowhere"]) assert.equal(routeOf(hash).view, "images", hash);
});
