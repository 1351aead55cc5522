// Makes the parts of the page and starts it.

import {serverOutlines} from "./assist/server_outlines.js";
import {messageOf} from "./net/api.js";
import {Events} from "./net/events.js";
import {fault} from "./shapes/registry.js";
import {Categories} from "./state/categories.js";
import {Changes} from "./state/changes.js";
import {Commands} from "./state/commands.js";
import {Following} from "./state/following.js";
import {ImageList} from "./state/image_list.js";
import {Me} from "./state/me.js";
import {Predictions} from "./state/predictions.js";
import {Preferences} from "./state/preferences.js";
import {Presence} from "./state/presence.js";
import {Progress} from "./state/progress.js";
import {Queue} from "./state/queue.js";
import {SaveState} from "./state/save_state.js";
import {Session} from "./state/session.js";
import {Work} from "./state/work.js";
import {usePasswordLink} from "./views/login.js";
import {Page} from "./views/page.js";
import {toast} from "./views/toasts.js";

await usePasswordLink();

const preferences = new Preferences();
const queue = new Queue();
const changes = new Changes(queue);
const me = new Me();
const session = new Session({changes, fault, lacks: () => me.lacks("annotator")});
const predictions = new Predictions({session, preferences, user: () => me.user});
const categories = new Categories(changes, preferences);
const saveState = new SaveState(queue);
const events = new Events();
const [following, presence] = [new Following(events), new Presence(events, me)];
const [work, progress] = [new Work({session, changes, client: events.client}), new Progress()];
const [commands, imageList] = [new Commands(preferences), new ImageList()];
const state = {queue, changes, session, categories, preferences, imageList, saveState, me, following, presence, predictions, work, progress};
const page = new Page({...state, commands, events});

window.addEventListener("online", () => {
  queue.wake();
  void saveState.poll();
});
document.addEventListener("visibilitychange", () => document.hidden || void saveState.poll());

void saveState.poll();
await Promise.all([me.load(), categories.load()]).catch((error) => toast(messageOf(error), {error: true}));
void predictions.load();
void serverOutlines.load().catch(() => {});
events.follow();
page.start();
