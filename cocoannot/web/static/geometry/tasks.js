// The heavy tasks of geometry by their names. What they take and give are plain values, which can be sent to a worker.

import {combined, sliced, toMask, toPolygons} from "./segmentations.js";
import {order} from "./thinning.js";

export const tasks = {combined, sliced, toMask, toPolygons, order};
