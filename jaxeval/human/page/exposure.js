// Showing an image for a given time: a cross to look at, the image for a whole number of frames, and a mask of noise.

const FIXATION = 700;
const COARSEST = 64;  // squares of noise, in pixels of the mask
const MOST_SIDE = 384;
const CONTRAST = 110;  // levels for a sum of one, of whose squares the standard deviation is 0.76

// The time of the next frame.
export function frame() {
  return new Promise(requestAnimationFrame);
}

// Resolves with the time at which what was put into the document before is on the screen.
export async function seen() {
  await frame();
  return frame();
}

// Covers the frame of an image that is decoded and in its place, uncovers it for some milliseconds, and masks it.
//
// Returns when it was uncovered and for how long, both by the times of frames. What is shown at the beginning of one
// frame and hidden at the beginning of another is on the screen for the time between them.
export async function expose(holder, image, milliseconds, announce) {
  const cover = document.createElement("div");
  cover.className = "cover";
  const mask = noise(image.width, image.height);
  mask.className = "mask";
  mask.hidden = true;
  holder.append(cover, mask);
  const first = await frame();
  let [before, now, frames] = [first, first, 0];
  while (now - first < FIXATION) {
    before = now;
    now = await frame();
    if (now > before) frames += 1;
  }
  const interval = (now - first) / Math.max(1, frames);
  const from = await frame();
  cover.hidden = true;
  announce(from);
  let to = from;
  while (to - from < milliseconds - interval / 2) to = await frame();
  mask.hidden = false;
  return { from, lasted: to - from };
}

// A mask over an image that is not shown again.
export function masked(holder, width, height) {
  const mask = noise(width, height);
  mask.className = "mask";
  holder.append(mask);
}

// Coloured noise of squares of all sizes, each as strong as the others, so that it masks coarse and fine structure.
function noise(width, height) {
  const shrink = Math.min(1, MOST_SIDE / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * shrink));
  canvas.height = Math.max(1, Math.round(height * shrink));
  const sums = new Float32Array(canvas.width * canvas.height * 3);
  for (let side = COARSEST; side >= 1; side /= 2) {
    const columns = Math.ceil(canvas.width / side);
    const squares = Float32Array.from({ length: columns * Math.ceil(canvas.height / side) * 3 }, () => Math.random() - 0.5);
    for (let y = 0, place = 0; y < canvas.height; y += 1) {
      const row = Math.floor(y / side) * columns;
      for (let x = 0; x < canvas.width; x += 1) {
        const square = 3 * (row + Math.floor(x / side));
        for (let colour = 0; colour < 3; colour += 1, place += 1) sums[place] += squares[square + colour];
      }
    }
  }
  const image = new ImageData(canvas.width, canvas.height);
  for (let place = 0, from = 0; place < image.data.length; place += 1) {
    image.data[place] = place % 4 === 3 ? 255 : 128 + CONTRAST * sums[from++];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
