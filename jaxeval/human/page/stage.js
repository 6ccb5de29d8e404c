// The images: loaded and decoded before they are seen, laid out at one size, and zoomed at the same place in all.

const GAP = 12;
const CAPTION = 24;
const LONGEST_WAIT = 4000;
const PATIENCE = 3;  // tries of one image, before a trial may be skipped without it
const ZOOMS = [1, 2, 4, 8, 16];
const SQUARES = 4;  // screen pixels from which on an enlarged pixel would be seen as a square
const DOUBLE_MS = 350;  // between two clicks or taps that are one
const DOUBLE_PIXELS = 24;
const NEVER = { time: -Infinity, x: 0, y: 0 };
const DENSE = 2;  // screen pixels to a CSS pixel from which on no single one is seen

// Loads images, each once. The elements that were loaded are the ones that are shown: the server lets none be cached.
export class Preloader {
  constructor() {
    this.known = new Map();
  }

  // Loads the images of these trials, and forgets all others.
  keep(trials) {
    const wanted = new Set(trials.flatMap((trial) => (trial ? sources(trial) : [])));
    for (const src of this.known.keys()) if (!wanted.has(src)) this.known.delete(src);
    for (const src of wanted) if (!this.known.has(src)) this.known.set(src, this.#load(src));
  }

  // The decoded elements of a trial by address; `struggling` is called with the number of failed tries.
  async of(trial, struggling) {
    const found = sources(trial).map((src) => this.known.get(src));
    for (const one of found) one.struggling = struggling;
    return new Map(await Promise.all(found.map(async (one) => [one.src, await one.loaded])));
  }

  #load(src) {
    const one = { src, tries: 0, struggling: () => {} };
    one.loaded = (async () => {
      for (;;) {
        const image = new Image();
        image.decoding = "sync";
        image.draggable = false;
        image.src = src;
        try {
          await image.decode();
          one.tries = 0;
          return image;
        } catch {
          if (!this.known.has(src)) return image;  // nobody waits for it any more
          one.tries += 1;
          one.struggling(one.tries, one.tries >= PATIENCE);
          await new Promise((resolve) => setTimeout(resolve, Math.min(LONGEST_WAIT, 300 * 2 ** one.tries)));
        }
      }
    })();
    return one;
  }
}

function sources(trial) {
  return [...(trial.reference ? [trial.reference] : []), ...trial.images].map((image) => image.src);
}

// The ways to divide images into rows that keep their order; a reference is in their row, or has one of its own above.
function divisions(images, referenced) {
  const found = [];
  for (let rows = 1; rows <= images; rows += 1) {
    const columns = Math.ceil(images / rows);
    if (Math.ceil(images / columns) !== rows) continue;
    found.push(Array.from({ length: rows }, (_, row) => Math.min(columns, images - row * columns)));
  }
  return referenced ? [[images + 1], ...found.map((rows) => [1, ...rows])] : found;
}

// Of these ways the one in which images are largest; of equals the first.
function arranged(ways, width, height, room) {
  let best = null;
  for (const rows of ways) {
    const columns = Math.max(...rows);
    const scale = Math.min(
      (room.width - GAP * (columns - 1)) / (columns * width),
      (room.height - GAP * (rows.length - 1) - room.caption * rows.length) / (rows.length * height),
    );
    if (!best || scale > best.scale * 1.001) best = { rows, scale };
  }
  return best;
}

// How large an image pixel is shown, in CSS pixels: reduced to fit, or enlarged by a whole factor, so that all pixels
// of an image, and all images, are enlarged alike.
export function shownScale(fitting, ratio) {
  const unit = ratio < DENSE ? 1 / ratio : 1;
  return fitting < unit ? fitting : Math.floor(fitting / unit + 1e-6) * unit;
}

export class Stage {
  // changed: is called when the arrangement or the zoom is another one.
  constructor(element, changed) {
    this.element = element;
    this.changed = changed;
    this.tiles = [];
    this.view = { factor: 1, x: 0, y: 0 };
    this.zoomable = false;
    this.stacked = false;  // whether images lie one above the other
    this.#listen();
    new ResizeObserver(() => this.#arrange()).observe(element);
  }

  // Makes empty tiles for a trial, whose sizes are known before its images are there.
  //
  // names: of the images in their places, where these are beside one another and where they lie one above the other.
  prepare(trial, names) {
    const shown = [...(trial.reference ? [trial.reference] : []), ...trial.images];
    this.referenced = trial.reference !== null;
    this.names = names;
    this.captioned = this.referenced || trial.images.length > 2;
    this.zoomable = false;
    this.view = { factor: 1, x: 0, y: 0 };
    this.width = Math.max(...shown.map((image) => image.width));
    this.height = Math.max(...shown.map((image) => image.height));
    while (this.tiles.length > shown.length) this.tiles.pop().figure.remove();
    while (this.tiles.length < shown.length) this.tiles.push(this.#tile());
    this.tiles.forEach((tile, place) => {
      tile.src = shown[place].src;
      tile.image = null;
      tile.figure.dataset.place = this.#place(place) || "reference";
      tile.caption.hidden = !this.captioned;
      tile.frame.replaceChildren();
      delete tile.figure.dataset.chosen;
    });
    this.#arrange();
  }

  // Of a tile the place of its image, from 1; 0 of the reference.
  #place(tile) {
    return tile + (this.referenced ? 0 : 1);
  }

  // Puts decoded images into their tiles, and returns the frames that hold them.
  fill(images) {
    for (const tile of this.tiles) {
      tile.image = images.get(tile.src);
      tile.frame.replaceChildren(tile.image);
    }
    this.#arrange();
    return this.tiles.map((tile) => tile.frame);
  }

  // Takes the images away.
  clear() {
    this.zoomable = false;
    for (const tile of this.tiles) tile.frame.replaceChildren();
  }

  // Marks an image by its place from 1, the reference not counted: "best", "worst", or null for no mark.
  mark(place, how) {
    const { figure } = this.tiles.find((_, tile) => this.#place(tile) === place);
    if (how) figure.dataset.chosen = how;
    else delete figure.dataset.chosen;
  }

  allowZoom() {
    this.zoomable = true;
    this.#paint();
  }

  get zoomed() {
    return this.view.factor > 1;
  }

  // Once more as large, around a place of the image from 0 to 1; after the largest as at first.
  zoomOn(x = 0.5, y = 0.5) {
    const next = ZOOMS.find((factor) => factor > this.view.factor * 1.01 && factor <= 4) ?? 1;
    this.#zoomAt(next, x, y);
  }

  zoomBy(steps) {
    const from = ZOOMS.reduce((near, factor, place) => (factor <= this.view.factor * 1.01 ? place : near), 0);
    this.#zoomAt(ZOOMS[Math.max(0, Math.min(ZOOMS.length - 1, from + steps))], 0.5, 0.5);
  }

  zoomOff() {
    this.#zoomAt(1, 0, 0);
  }

  // Moves what is seen by shares of what is seen.
  pan(x, y) {
    this.view.x += x / this.view.factor;
    this.view.y += y / this.view.factor;
    this.#paint();
  }

  // The point of a tile (0 to 1) stays where it is.
  #zoomAt(factor, x, y) {
    if (!this.zoomable) return;
    const { view } = this;
    view.x += x / view.factor - x / factor;
    view.y += y / view.factor - y / factor;
    view.factor = factor;
    this.#paint();
  }

  #tile() {
    const figure = document.createElement("figure");
    const frame = document.createElement("div");
    frame.className = "frame";
    const caption = document.createElement("figcaption");
    figure.append(caption, frame);
    this.element.append(figure);
    return { figure, frame, caption, image: null, src: null };
  }

  #arrange() {
    if (!this.tiles.length || !this.element.clientWidth) return;
    const style = getComputedStyle(this.element);
    const [left, top] = [parseFloat(style.paddingLeft), parseFloat(style.paddingTop)];
    const caption = this.captioned ? CAPTION : 0;
    const room = {
      width: this.element.clientWidth - 2 * left,
      height: this.element.clientHeight - 2 * top,
      caption,
    };
    const images = this.tiles.length - (this.referenced ? 1 : 0);
    const { rows, scale } = arranged(divisions(images, this.referenced), this.width, this.height, room);
    const ratio = devicePixelRatio || 1;
    this.scale = shownScale(scale, ratio);
    const snapped = (value) => Math.round(value * ratio) / ratio;  // squares of pixels would else be of two sizes
    const [width, height] = [this.width * this.scale, this.height * this.scale];
    const whole = rows.length * (height + caption) + (rows.length - 1) * GAP;
    const order = this.tiles.map((_, tile) => tile);
    // Between the two images of a row the reference is as near to the one as to the other.
    if (this.referenced && images === 2 && rows.length === 1) order.splice(0, 2, 1, 0);
    rows.forEach((length, row) => {
      const across = length * width + (length - 1) * GAP;
      for (let column = 0; column < length; column += 1) {
        const { figure, frame } = this.tiles[order.shift()];
        figure.style.left = `${snapped(left + (room.width - across) / 2 + column * (width + GAP))}px`;
        figure.style.top = `${snapped(top + (room.height - whole) / 2 + row * (height + caption + GAP))}px`;
        figure.style.width = `${width}px`;
        frame.style.height = `${height}px`;
      }
    });
    this.stacked = images > 1 && Math.max(...rows) === 1;
    const names = this.names[this.stacked ? 1 : 0];
    this.tiles.forEach(({ caption: element, image }, tile) => {
      const name = names[this.#place(tile) - 1] ?? "Reference";
      element.textContent = name;
      if (image) image.alt = name;
    });
    this.#paint();
  }

  #paint() {
    const { view } = this;
    const most = 1 - 1 / view.factor;
    view.x = Math.max(0, Math.min(most, view.x));
    view.y = Math.max(0, Math.min(most, view.y));
    const onScreen = this.scale * (devicePixelRatio || 1) * view.factor;
    // An image pixel that is a whole number of screen pixels is shown as such, unless it would be seen as a square;
    // who zooms in wants to see the pixels.
    const whole = Math.abs(onScreen - Math.round(onScreen)) < 1e-3;
    const crisp = view.factor > 1 ? onScreen >= DENSE : whole && onScreen > 1 && onScreen < SQUARES;
    for (const { image } of this.tiles) {
      if (!image) continue;
      image.style.transform =
        view.factor > 1 ? `scale(${view.factor}) translate(${-100 * view.x}%, ${-100 * view.y}%)` : "";
      image.style.imageRendering = crisp ? "pixelated" : "auto";
    }
    this.element.classList.toggle("zoomed", this.zoomed);
    this.element.classList.toggle("zoomable", this.zoomable);
    this.changed();
  }

  // Wheel, pinch, drag and double click or tap.
  #listen() {
    const { element } = this;
    const fingers = new Map();
    let last = NEVER;
    // Where in a tile; asked of the document, as the target of a captured pointer is the stage.
    const within = (event) => {
      const frame = document.elementFromPoint(event.clientX, event.clientY)?.closest("#stage .frame");
      if (!frame) return null;
      const box = frame.getBoundingClientRect();
      return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height, box };
    };
    element.addEventListener("wheel", (event) => {
      const point = within(event);
      if (!point || !this.zoomable) return;
      event.preventDefault();
      const lines = event.deltaMode === 1 ? 40 : 1;
      const factor = this.view.factor * Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.002));
      this.#zoomAt(Math.max(1, Math.min(ZOOMS.at(-1), factor)), point.x, point.y);
    }, { passive: false });
    element.addEventListener("pointerdown", (event) => {
      const point = within(event);
      if (!point || !this.zoomable || event.button !== 0) return;
      const near = Math.hypot(event.clientX - last.x, event.clientY - last.y) < DOUBLE_PIXELS;
      if (near && event.timeStamp - last.time < DOUBLE_MS && !fingers.size) {
        last = NEVER;
        this.zoomOn(point.x, point.y);
        return;
      }
      last = { time: event.timeStamp, x: event.clientX, y: event.clientY };
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY, box: point.box });
      try {
        element.setPointerCapture(event.pointerId);
      } catch { /* the finger is gone already */ }
    });
    element.addEventListener("pointermove", (event) => {
      const before = fingers.get(event.pointerId);
      if (!before || !this.zoomable) return;
      const now = { x: event.clientX, y: event.clientY, box: before.box };
      if (fingers.size === 1 && this.zoomed) {
        this.pan((before.x - now.x) / before.box.width, (before.y - now.y) / before.box.height);
      } else if (fingers.size === 2) {
        const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
        const spread = (one) => Math.max(1, Math.hypot(one.x - other.x, one.y - other.y));
        const { box } = other;
        const [x, y] = [((now.x + other.x) / 2 - box.left) / box.width, ((now.y + other.y) / 2 - box.top) / box.height];
        const factor = this.view.factor * (spread(now) / spread(before));
        this.#zoomAt(Math.max(1, Math.min(ZOOMS.at(-1), factor)), Math.max(0, Math.min(1, x)), Math.max(0, Math.min(1, y)));
      }
      fingers.set(event.pointerId, now);
    });
    for (const end of ["pointerup", "pointercancel"]) {
      element.addEventListener(end, (event) => fingers.delete(event.pointerId));
    }
  }
}
