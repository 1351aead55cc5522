// Makes cocoannot/web/static/vendor/: a file of OpenLayers and one of Clipper2, the former's stylesheet, and the licences.
// `npm ci && npm run build`.
import {createHash} from "node:crypto";
import {copyFileSync, mkdirSync, readFileSync, writeFileSync} from "node:fs";
import {build} from "esbuild";

const target = new URL("../../cocoannot/web/static/vendor/", import.meta.url);
const modules = new URL("node_modules/", import.meta.url);
mkdirSync(target, {recursive: true});

for (const entry of ["openlayers.js", "clipper.js"]) {
  await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    outfile: new URL(entry, target).pathname,
  });
}
copyFileSync(new URL("ol/ol.css", modules), new URL("openlayers.css", target));

const packages = ["ol", "rbush", "quickselect", "clipper2-ts"].map((name) => {
  const licence = name === "ol" ? "LICENSE.md" : "LICENSE";
  copyFileSync(new URL(`${name}/${licence}`, modules), new URL(`LICENSE.${name}`, target));
  return `${name} ${JSON.parse(readFileSync(new URL(`${name}/package.json`, modules))).version}`;
});
const sums = ["openlayers.js", "openlayers.css", "clipper.js"].map((name) => {
  const sum = createHash("sha256").update(readFileSync(new URL(name, target))).digest("hex");
  return `${sum}  ${name}`;
});
writeFileSync(
  new URL("VERSIONS", target),
  `${packages.join("\n")}\nbundled by esbuild 0.28.2: cd tools/vendor && npm ci && npm run build\n${sums.join("\n")}\n`,
);
