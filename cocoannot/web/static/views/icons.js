// The page's icons: lines of 1.5 on a grid of 20, in the colour of the text around them.

/** @type {Record<string, string>} What is drawn for each name: paths; those after a `|` are filled. */
const PATHS = {
  select: "M5 3.5v12l3.2-3 2 4.5 2.2-1-2-4.3 4.4-.2z",
  box: "M4 5.5h12v9H4z|M2.8 4.3h2.4v2.4H2.8zM14.8 4.3h2.4v2.4h-2.4zM2.8 13.3h2.4v2.4H2.8zM14.8 13.3h2.4v2.4h-2.4z",
  polygon:
    "M10 3.5 16.5 8 14 16H6L3.5 8z|M8.8 2.3h2.4v2.4H8.8zM15.3 6.8h2.4v2.4h-2.4zM12.8 14.8h2.4v2.4h-2.4zM4.8 14.8h2.4v2.4H4.8zM2.3 6.8h2.4v2.4H2.3z",
  points: "M10.5 3.5c3.5-.6 6 2 5.6 4.7-.3 2 .9 2.8.4 5-.6 2.6-3.5 3.4-5.5 3-2.5-.5-3.8.8-5.7-.7-2.2-1.8-1.2-4.2-.7-5.7C5.4 7.6 7.3 4 10.5 3.5zM10.4 7.4v5.2M7.8 10h5.2",
  shrink: "M3 3l4 4M17 3l-4 4M3 17l4-4M17 17l-4-4M7 4v3H4M13 4v3h3M7 16v-3H4M13 16v-3h3",
  outline: "M3 5V3h2M15 3h2v2M17 15v2h-2M5 17H3v-2M7 12c-1.5-3 .5-6 3-5.5s4 2 3.5 4-5 4-6.5 1.5z",
  wire: "M3.5 14.5c2-6 4-1 6-5s1.5-6 6.5-5.5M6 16.5l9-7|M2.3 13.3h2.4v2.4H2.3zM14.8 2.8h2.4v2.4h-2.4z",
  part: "M8.5 4 13 7.2M3.5 8 8.5 4M3.5 8l2 7.5H9M14 11v6M11 14h6",
  mask: "M10.5 3.5c3.5-.6 6 2 5.6 4.7-.3 2 .9 2.8.4 5-.6 2.6-3.5 3.4-5.5 3-2.5-.5-3.8.8-5.7-.7-2.2-1.8-1.2-4.2-.7-5.7C5.4 7.6 7.3 4 10.5 3.5zM6.5 12.5l6-7M8.5 15l7-8M13 15.5l2.5-3",
  keypoints:
    "M10 6v5M10 11l-4 5M10 11l4 5M4.5 9 10 7.5 15.5 9|M8.5 4a1.5 1.5 0 1 0 3 0 1.5 1.5 0 1 0-3 0zM3.3 9a1.2 1.2 0 1 0 2.4 0 1.2 1.2 0 1 0-2.4 0zM14.3 9a1.2 1.2 0 1 0 2.4 0 1.2 1.2 0 1 0-2.4 0z",
  caption: "M3.5 4.5h13v9H9l-3.5 3v-3h-2zM6.5 7.5h7M6.5 10.5h4.5",
  none: "M6 6l8 8M10 3.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13z",
  brush: "M16.5 3.5 9 11M9 11c-2-.8-4.2.4-4.2 2.6 0 1.5-1 2.2-2 2.4 1.2.8 5.7 1.3 7.2-1.2.9-1.5.2-3-1-3.8z",
  eye: "M2.5 10S5 5 10 5s7.5 5 7.5 5-2.5 5-7.5 5-7.5-5-7.5-5zM10 7.8a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4z",
  "eye-off":
    "M3 3l14 14M8 5.3c.6-.2 1.3-.3 2-.3 5 0 7.5 5 7.5 5s-.7 1.4-2.1 2.7M12.9 14.4c-.9.4-1.8.6-2.9.6-5 0-7.5-5-7.5-5s1-2 3-3.5M8.4 8.4a2.2 2.2 0 0 0 3.1 3.1",
  lock: "M5 9h10v7.5H5zM7 9V6.5a3 3 0 0 1 6 0V9|M9.2 11.6h1.6v2.4H9.2z",
  unlock: "M5 9h10v7.5H5zM7 9V6a3 3 0 0 1 5.8-1.1|M9.2 11.6h1.6v2.4H9.2z",
  rename: "M4 16l.8-3.4L13 4.4a1.5 1.5 0 0 1 2.2 0l.4.4a1.5 1.5 0 0 1 0 2.2L7.4 15.2zM11.5 6l2.5 2.5",
  delete: "M4 5.5h12M8 5.5v-2h4v2M5.5 5.5l.7 11h7.6l.7-11M8.5 8.5v5M11.5 8.5v5",
  undo: "M7.5 4 4 7.5 7.5 11M4 7.5h7.5a4 4 0 0 1 0 8H8",
  redo: "M12.5 4 16 7.5 12.5 11M16 7.5H8.5a4 4 0 0 0 0 8H12",
  previous: "M12 4.5 6.5 10l5.5 5.5",
  next: "M8 4.5 13.5 10 8 15.5",
  plus: "M10 4.5v11M4.5 10h11",
  minus: "M4.5 10h11",
  fit: "M7.5 3.5h-4v4M12.5 3.5h4v4M7.5 16.5h-4v-4M12.5 16.5h4v-4M7.5 8h5v4h-5z",
  search: "M8.8 3.8a5 5 0 1 1 0 10 5 5 0 0 1 0-10zM12.5 12.5l4 4",
  close: "M5 5l10 10M15 5 5 15",
  check: "M4 10.5 8.3 15 16 5.5",
  warning: "M10 3.5 17.5 16.5H2.5zM10 8v4.2|M9.2 13.4h1.6V15H9.2z",
  keys: "M2.5 5.5h15v9h-15zM5.5 8.5h.1M8.5 8.5h.1M11.5 8.5h.1M14.5 8.5h.1M6.5 11.7h7",
  seeing:
    "M10 6.8a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 0 1 0-6.4zM10 2.5v1.8M10 15.7v1.8M2.5 10h1.8M15.7 10h1.8M4.7 4.7 6 6M14 14l1.3 1.3M15.3 4.7 14 6M6 14l-1.3 1.3",
  sidebar: "M3 4h14v12H3zM12 4v12M14 7h1.3M14 9.5h1.3",
  sort: "M6 4v12M3.5 13.5 6 16l2.5-2.5M11 5.5h6M11 9.5h4.5M11 13.5h3",
  images: "M3.5 3.5h5.5V9H3.5zM11 3.5h5.5V9H11zM3.5 11h5.5v5.5H3.5zM11 11h5.5v5.5H11z",
  statistics: "M3.5 16.5h13M5.5 16.5V11M9.8 16.5V4.5M14.2 16.5V8",
  tag: "M3.5 3.5h6.3l6.7 6.7-6.3 6.3-6.7-6.7z|M5.9 7.2a1.3 1.3 0 1 0 2.6 0 1.3 1.3 0 1 0-2.6 0z",
  picture: "M3 4h14v12H3zM3 14l4-4 3.5 3.5L13 11l4 4M12.5 6.5a1 1 0 1 1 0 2 1 1 0 0 1 0-2z",
  away: "M3 3l14 14M4 9.5A9 9 0 0 1 7.5 7.3M11 6.6a9 9 0 0 1 5 2.9M6.5 12.2a5 5 0 0 1 3-1.5M13 12|M9 14.2h2v2H9z",
  cloud: "M6 15.5a3.5 3.5 0 0 1-.3-7 4.5 4.5 0 0 1 8.7-.3 3.7 3.7 0 0 1 .1 7.3zM10 13.5V9.5M8.3 11 10 9.3l1.7 1.7",
  crosshair: "M10 2.5v15M2.5 10h15",
  folder: "M2.5 4.5h5l1.8 2.2h8.2v9h-15z",
  filter: "M3 5h14l-5.5 6v5.5L8.5 15v-4z",
  open: "M10 3.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13z",
  empty: "M5 5h10v10H5zM5.5 14.5l9-9",
  skip: "M4.5 5l6 5-6 5zM11 5l5.5 5-5.5 5z",
  approve: "M2.5 10.5 6.5 14.5 13.5 6M10 14l.6.5L17.5 6",
  "send-back": "M8 4.5 3.5 9 8 13.5M3.5 9h7.5a5 5 0 0 1 5 5v2",
  "to-do": "M3.5 5.5h6M3.5 10h4M3.5 14.5h6M11 6.5l4 3.5-4 3.5",
  review: "M2.5 9S5 4.5 9.5 4.5 16.5 9 16.5 9M9.5 7a2 2 0 1 1 0 4 2 2 0 0 1 0-4zM11 15l2 2 4-4.5",
  down: "M4.5 7.5 10 13l5.5-5.5",
  pin: "M7.5 3.5h5l-.7 5 2.7 3h-9l2.7-3zM10 11.5v5.5",
  text: "M4 5h12M4 8.3h12M4 11.6h12M4 15h7",
  key: "M7 6.2a3.8 3.8 0 1 1 0 7.6 3.8 3.8 0 0 1 0-7.6zM10.8 10H17.5M14.5 10v3M17 10v2.2",
  people: "M7 4a2.8 2.8 0 1 1 0 5.6A2.8 2.8 0 0 1 7 4zM2 16.5c0-3 2.2-4.8 5-4.8s5 1.8 5 4.8M13 5a2.3 2.3 0 0 1 0 4.5M14 12c2.4.4 4 2 4 4.5",
  leave: "M11.5 3.5h-7v13h7M8 10h9M14 6.8 17.2 10 14 13.2",
  copy: "M7 7h9.5v9.5H7zM4.5 13H3.5V3.5H13v1",
  more: "|M3.6 10a1.4 1.4 0 1 0 2.8 0 1.4 1.4 0 1 0-2.8 0zM8.6 10a1.4 1.4 0 1 0 2.8 0 1.4 1.4 0 1 0-2.8 0zM13.6 10a1.4 1.4 0 1 0 2.8 0 1.4 1.4 0 1 0-2.8 0z",
};

const NAMESPACE = "http://www.w3.org/2000/svg";

/**
 * The picture of this name; a dot where there is none. Screen readers pass it by.
 * @param {string} name
 */
export function icon(name) {
  const image = document.createElementNS(NAMESPACE, "svg");
  image.setAttribute("viewBox", "0 0 20 20");
  image.setAttribute("class", "icon");
  image.setAttribute("aria-hidden", "true");
  const [lines, filled] = (PATHS[name] ?? "|M8 10a2 2 0 1 0 4 0 2 2 0 1 0-4 0z").split("|");
  if (lines) image.append(path(lines, "line"));
  if (filled) image.append(path(filled, "filled"));
  return image;
}

/**
 * @param {string} d
 * @param {string} kind
 */
function path(d, kind) {
  const drawn = document.createElementNS(NAMESPACE, "path");
  drawn.setAttribute("d", d);
  drawn.setAttribute("class", kind);
  return drawn;
}
