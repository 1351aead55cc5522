// All tools, in the order of the tool rail.

import {serverOutlines} from "../assist/server_outlines.js";
import {make as box} from "./box.js";
import {make as part} from "./part.js";
import {make as points} from "./points.js";
import {make as polygon} from "./polygon.js";
import {make as select} from "./select.js";
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
];
