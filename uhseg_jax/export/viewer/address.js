// The address: image, number of regions, the region gone into and the one selected, so
// that a link shows the same and "back" leads back.

const REST = 200; // milliseconds; browsers bound how often an address may change

let pending = null; // an address to write when the slider rests
let timer = 0;

function addressOf() {
  const { node, number } = focus();
  const picked = pickedItems();
  const entries = { image: images[current].name, regions: number };
  if (isClip() && tree.frame > 0) entries.frame = frameNow().number;
  if (node !== ROOT) entries.inside = tree.ids[node];
  if (picked.length === 1 && picked[0].nodes.length === 1) entries.region = picked[0].nodes[0];
  return `#${new URLSearchParams(entries)}`;
}

// Writes the address; with `push`, "back" leads to the one before.
function record(push) {
  if (!push) {
    pending = addressOf();
    timer ||= setTimeout(writePending, REST);
    return;
  }
  writePending();
  if (addressOf() !== location.hash) rewrite("pushState", addressOf());
}

function writePending() {
  clearTimeout(timer);
  timer = 0;
  if (pending !== null) rewrite("replaceState", pending);
  pending = null;
}

// Inside another page, such as a notebook, there is no address to write.
function rewrite(how, address) {
  try {
    history[how]({ ours: true }, "", address);
  } catch {}
}

function readAddress() {
  const entries = new URLSearchParams(location.hash.slice(1));
  const number = (name) =>
    /^\d{1,9}$/.test(entries.get(name) ?? "") ? Number(entries.get(name)) : undefined;
  return {
    image: entries.get("image"),
    number: number("regions") || undefined,
    frame: number("frame"),
    inside: number("inside"),
    region: number("region"),
  };
}

// Goes where the address says; what is selected stays when one goes back and forth.
function followAddress(event) {
  pending = null;
  const { image, ...place } = readAddress();
  if (event?.state) delete place.region;
  const index = images.findIndex((one) => one.name === image);
  if (index >= 0 && index === wanted && index === current) {
    settleIn(place);
    if (isClip()) showFrames(place.frame);
  }
  else show(index < 0 ? Math.max(wanted, 0) : index, { place, push: false }).then(() => {
    if (image !== null && index < 0) say(`The address names ${image}, which is not among these images.`);
  });
}
