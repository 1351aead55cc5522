// Makes the parts of the page and starts it.

import {messageOf} from "./net/api.js";
import {fault} from "./shapes/registry.js";
import {Categories} from "./state/categories.js";
import {Changes} from "./state/changes.js";
import {Commands} from "./state/commands.js";
import {ImageList} from "./state/image_list.js";
import {Preferences} from "./state/preferences.js";
import {Queue} from "./state/queue.js";
import {SaveState} from "./state/save_state.js";
import {Session} from "./state/session.js";
import {Page} from "./views/page.js";
import {toast} from "./views/toasts.js";

const preferences = new Preferences();
const queue = new Queue();
const changes = new Changes(queue);
const session = new Session({changes, fault});
const categories = new Categories(changes, preferences);
const saveState = new SaveState(queue);
const page = new Page({queue, changes, session, categories, commands: new Commands(preferences), preferences, imageList: new ImageList(), saveState});

window.addEventListener("online", () => {
  queue.wake();
  void saveState.poll();
});
document.addEventListener("visibilitychange", () => document.hidden || void saveState.poll());

void saveState.poll();
await categories.load().catch((error) => toast(messageOf(error), {error: true}));
page.start();
