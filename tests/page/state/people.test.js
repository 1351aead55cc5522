import assert from "node:assert/strict";
import test from "node:test";
import {colourOfPerson, hereWords, initialsOf} from "../../../cocoannot/web/static/state/people.js";

test("initials are of the name's parts, else its first letters", () => {
  assert.deepEqual(["anna", "anna.berg@example.org", "x", "j_r-r", null].map(initialsOf), ["AN", "AB", "X", "JR", "?"]);
});

test("a person has one colour", () => {
  assert.equal(colourOfPerson("anna"), colourOfPerson("anna"));
  assert(colourOfPerson("anna") !== colourOfPerson("ben"));
});

test("who is here, in words", () => {
  assert.equal(hereWords([]), "");
  assert.equal(hereWords(["anna"]), "anna is on this image too");
  assert.equal(hereWords(["anna", null]), "anna and Somebody are on this image too");
  assert.equal(hereWords(["anna", "ben", "cem", "dora"]), "anna, ben and 2 more are on this image too");
});
