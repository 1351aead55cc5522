import assert from "node:assert/strict";
import test from "node:test";
import {copyTexts, parse, stringify, textAt} from "../../../cocoannot/web/static/net/json.js";

const UNUSUAL = '{"id":7,"area":426.0,"bbox":[0.10,1e2,-0,1.50],"long":12345678901234567890,"tiny":1E-7,"exact":0.1234567890123456789,"more":123456.78901234567891,"less":0.000000123,"nested":[[1.0,2],[3,4.00]]}';

test("numbers go out as they came", () => {
  assert.equal(stringify(parse(UNUSUAL)), UNUSUAL);
});

test("numbers that came are numbers", () => {
  const {area, bbox, nested} = parse(UNUSUAL);
  assert.equal(area, 426);
  assert.deepEqual(bbox, [0.1, 100, -0, 1.5]);
  assert.deepEqual(nested, [[1, 2], [3, 4]]);
});

test("a number that was changed is written as JavaScript does", () => {
  const record = parse('{"bbox":[1.0,2.0]}');
  record.bbox[0] = 3.5;
  assert.equal(stringify(record), '{"bbox":[3.5,2.0]}');
});

test("texts that look like numbers stay texts", () => {
  const text = '{"name":"426.0","a \\"1.0\\"":"\\\\","number 1.0":"number 2.0","1.0":1.0}';
  assert.equal(stringify(parse(text)), text);
});

test("what JSON.parse reads is read the same", () => {
  for (const text of ["1.0", "-0", '"1.0"', "null", "[]", "{}", '{"__proto__":{"a":1.0},"b":2.0}', "[true,false,null,1e3]", ' [ 1.0 , "x" ] ']) {
    assert.deepEqual(parse(text), JSON.parse(text), text);
  }
  assert.throws(() => parse("[1.0,"), SyntaxError);
});

test("what JSON.stringify leaves out is left out", () => {
  const value = {a: undefined, b: [undefined, NaN], c: null, d: "é\u2028\"", e: {}};
  assert.equal(stringify(value), JSON.stringify(value));
});

test("a copy has the texts that were brought over", () => {
  const record = parse('{"area":1.0,"id":2}');
  assert.equal(stringify({...record}), '{"area":1,"id":2}');
  assert.equal(stringify(copyTexts(record, {...record})), '{"area":1.0,"id":2}');
  assert.equal(textAt(record, "area", 1), "1.0");
  assert.equal(textAt(record, "area", 2), undefined);
});

test("large texts and long strings are read", () => {
  const counts = "a\\\\".repeat(300_000);
  const text = `[${Array.from({length: 20_000}, (_, i) => `${i}.0`).join(",")},"${counts}"]`;
  assert.equal(stringify(parse(text)), text);
});
