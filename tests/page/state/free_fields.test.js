// Fields of an annotation that COCO does not know, as people type them.

import assert from "node:assert/strict";
import {test} from "node:test";

import {parse, stringify} from "../../../cocoannot/web/static/net/json.js";
import {changeOf, faultOfName, freeFields} from "../../../cocoannot/web/static/state/free_fields.js";

/** @import {FieldKind} from "../../../cocoannot/web/static/state/free_fields.js" */

const RECORD = parse('{"id":1,"image_id":1,"category_id":1,"bbox":[1,2,3,4],"area":12,"iscrowd":0,"score":0.50,"note":"a \\"b\\"","seen":true,"tags":["x",1.0],"_etag":"e"}');

test("fields that COCO does not know are shown with their kind and their text", () => {
  assert.deepEqual(freeFields(RECORD), [
    {name: "score", kind: "number", text: "0.50"},
    {name: "note", kind: "text", text: 'a "b"'},
    {name: "seen", kind: "truth", text: "true"},
    {name: "tags", kind: "json", text: '["x",1.0]'},
  ]);
});

for (const [kind, typed, written] of /** @type {[FieldKind, string, string][]} */ ([
  ["text", ' two\n"words" ', '{"a":" two\\n\\"words\\" "}'],
  ["text", "7", '{"a":"7"}'],
  ["number", " 1.50 ", '{"a":1.50}'],
  ["number", "-,5", '{"a":-0.5}'],
  ["number", "+3e2", '{"a":3e2}'],
  ["truth", "true", '{"a":true}'],
  ["truth", "false", '{"a":false}'],
  ["json", '{"b": [1.0, null]}', '{"a":{"b":[1.0,null]}}'],
])) {
  test(`${typed} as ${kind} is written as ${written}`, () => assert.equal(stringify(changeOf("a", kind, typed)), written));
}

for (const [kind, typed, why] of /** @type {[FieldKind, string, RegExp][]} */ ([
  ["number", "seven", /a: “seven” is no number/],
  ["number", "", /is no number/],
  ["number", "1e999999", /is no number|not finite/],
  ["number", '"7"', /is no number/],
  ["json", "[1,", /a: this is no JSON/],
  ["json", "null", /Take the field away/],
])) {
  test(`${typed} as ${kind} is refused in words`, () => assert.throws(() => changeOf("a", kind, typed), why));
}

for (const [name, why] of /** @type {[string, RegExp][]} */ ([["", /Type a name/], ["bbox", /COCO's own/], ["_x", /underscore/], ["score", /already/]])) {
  test(`a field can't be called ${JSON.stringify(name)}`, () => assert.match(faultOfName(name, RECORD) ?? "", why));
}

test("any other name is one", () => assert.equal(faultOfName("truncated by", RECORD), null));
