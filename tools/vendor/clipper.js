// What the page's geometry uses of Clipper2; what is not named here is not in the bundle.
export {ClipType, FillRule} from "clipper2-ts/dist/Core.js";
export {Clipper64} from "clipper2-ts/dist/Engine.js";
