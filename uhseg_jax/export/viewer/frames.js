// The frames of a clip: a second slider, and playing. The regions on show are those of
// the whole clip, so their number, their colours and what is selected stay.

const SLOWEST = 1000; // milliseconds a frame

let turn = 0; // which frame was wanted last
let playing = 0; // a timer, or 0
let plays = 0; // how often playing began or ended

const isClip = () => Boolean(tree?.frames);
const wholeThing = () => (isClip() ? "clip" : "image");
const frameNow = () => tree.frames[tree.frame];

function showFrames(wanted) {
  stopPlaying();
  $("time").hidden = !isClip() || tree.frames.length < 2;
  if (!isClip()) return;
  const slider = $("frame-number");
  slider.max = tree.frames.length;
  tree.frame = -1;
  const at = tree.frames.findIndex((one) => one.number >= (wanted ?? 1));
  setFrame(at < 0 ? tree.frames.length - 1 : at); // not every frame is in the page
}

// Shows a frame; its pixels and its regions change at once.
async function setFrame(index) {
  const of = tree;
  // A frame on its way stays wanted.
  if (index === of.frame || !of.frames[index]) return;
  const own = (turn += 1);
  of.frame = index;
  tellFrame();
  $("photo").src = frameNow().image;
  try {
    await $("photo").decode();
  } catch {} // another frame came before
  if (own !== turn || of !== tree) return;
  fillLabels(tree.labels, frameNow().runs);
  drawn = {};
  hovered = null;
  placeNames();
  draw();
}

function tellFrame() {
  const { number, name } = frameNow();
  $("frame-number").value = tree.frame + 1;
  $("frame-number").setAttribute("aria-valuetext", `frame ${number} of ${tree.length}, ${name}`);
  $("frame-shown").textContent = number;
  $("frame-count").textContent = `of ${tree.length}`;
}

function stepFrame(by) {
  if (!isClip()) return;
  stopPlaying();
  setFrame(tree.frame + by);
  record(false);
}

function play() {
  if (!isClip() || tree.frames.length < 2) return;
  if (playing) {
    stopPlaying();
    record(false);
    return;
  }
  const wait = Math.min(SLOWEST, 1000 / tree.rate);
  const own = (plays += 1);
  const next = async () => {
    const begun = performance.now();
    await setFrame((tree.frame + 1) % tree.frames.length);
    if (own === plays)
      playing = setTimeout(next, Math.max(0, wait - (performance.now() - begun)));
  };
  playing = setTimeout(next, 0);
  tellPlaying();
}

function stopPlaying() {
  clearTimeout(playing);
  playing = 0;
  plays += 1;
  tellPlaying();
}

function tellPlaying() {
  $("play").setAttribute("aria-label", playing ? "Pause" : "Play");
  $("play").title = `${playing ? "Pause" : "Play"} (P)`;
  $("play").classList.toggle("playing", Boolean(playing));
}
