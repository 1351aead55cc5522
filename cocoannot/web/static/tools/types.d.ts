// What the canvas may ask of a tool beyond the interface that all have; browsers never load this file.

import type {PointerInput, Tool} from "../types.js";

export interface PanningTool extends Tool {
  /** Whether a drag that begins here moves the picture and is nothing to the tool. */
  pans(input: PointerInput): boolean;
}
