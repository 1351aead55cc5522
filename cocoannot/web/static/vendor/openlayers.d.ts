// The types of openlayers.js beside it: those of what was bundled. Not a part of the bundle.
export * from "../../../../tools/vendor/openlayers.js";
