// All tools, in the order of the tool rail.

import {serverOutlines} from "../assist/server_outlines.js";
import {make as box} from "./box.js";
import {make as brush} from "./brush.js";
import {make as cut} from "./cut.js";
import {make as keypoints} from "./keypoints.js";
import {make as part} from "./part.js";
import {make as points} from "./points.js";
import {make as polygon} from "./polygon.js";
import {make as remove} from "./remove.js";
import {make as select} from "./select.js";
import {make as thin} from "./thin.js";
import {make as wire} from "./wire.js";

/** @import {ToolListing} from "../types.js" */

/** @type {ToolListing[]} */
export const tools = [
  {name: "select", title: "Select", key: "V", icon: "select", make: select},
  {name: "box", title: "Box", key: "B", icon: "box", make: box},
  {name: "polygon", title: "Polygon", key: "P", icon: "polygon", make: polygon},
  {name: "wire", title: "Follow edges", key: "M", icon: "wire", make: wire},
  {name: "points", title: "Click an object", key: "Q", icon: "points", make: points, lacks: () => serverOutlines.lacksPoints()},
  {name: "part", title: "Add part", key: "A", icon: "part", make: part},
  {name: "brush", title: "Mask brush", key: "R", icon: "brush", make: brush},
  {name: "cut", title: "Cut", key: "C", icon: "cut", forSelection: true, make: cut},
  {name: "remove", title: "Remove a part or a corner", key: "Shift+A", icon: "remove-part", forSelection: true, make: remove},
  {name: "thin", title: "Fewer corners", key: "T", icon: "thin", forSelection: true, make: thin},
  {name: "keypoints", title: "Keypoints", key: "K", icon: "keypoints", make: keypoints},
];
