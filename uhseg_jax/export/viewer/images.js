// The images of the page: what each is called, and what `page_entry` wrote of it. They
// are in the page, or else in scripts beside it that are loaded when they are looked at.

const KEPT_PARTS = 4; // with images: megabytes each

const jsonIn = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "null");
const listing = jsonIn("parts"); // of a page in parts

const images = listing
  ? listing.images.map(([name, height, width, nodes, id]) => ({
    name,
    size: [height, width], // of the image itself
    nodes, // of the whole tree
    tree: id, // what tells its tree from others
  }))
  : [...document.querySelectorAll("script.image")].map((script) => ({
    name: script.dataset.name,
    size: script.dataset.size.split(" ").map(Number),
    nodes: Number(script.dataset.nodes),
    tree: script.dataset.tree,
    script,
  }));

// What is read only when it is looked at may come late, or not at all.
async function load(index) {
  if (!listing) return JSON.parse(images[index].script.textContent);
  const text = await entry("images", index);
  // Whoever looks at one image looks at the next.
  if (index + 1 < images.length) entry("images", index + 1).catch(() => {});
  return JSON.parse(text);
}

async function thumbnail(index) {
  return listing ? entry("thumbnails", index) : images[index].script.dataset.thumbnail;
}

// Puts a thumbnail into an element of the list, perhaps not before it is seen.
function showThumbnail(image, index) {
  if (!listing) {
    image.src = images[index].script.dataset.thumbnail;
    return;
  }
  lazily.set(image, index);
  whenSeen.observe(image);
}

const lazily = new WeakMap();
const whenSeen = new IntersectionObserver((changes) => {
  for (const { isIntersecting, target } of changes) {
    if (!isIntersecting) continue;
    whenSeen.unobserve(target);
    thumbnail(lazily.get(target)).then((url) => (target.src = url), () => {});
  }
});

// -- parts -----------------------------------------------------------------------

const parts = new Map(); // address -> a promise of its entries
const heavy = []; // addresses of those with images, the latest last
const arrived = new Map(); // address -> what the script there gave

const addressOfPart = (kind, number) =>
  listing.file
    .replace("{kind}", listing.prefixes[kind])
    .replace("{part}", String(number).padStart(4, "0"));

async function entry(kind, index) {
  const size = listing.inAPart[kind];
  return (await part(kind, Math.floor(index / size) + 1))[index % size];
}

function part(kind, number) {
  const address = addressOfPart(kind, number);
  if (!parts.has(address)) {
    const coming = fetchPart(kind, number);
    parts.set(address, coming);
    coming.catch(() => parts.delete(address)); // the next try loads it again
    if (kind === "images") heavy.push(address);
    if (heavy.length > KEPT_PARTS) parts.delete(heavy.shift());
  }
  return parts.get(address);
}

// From disk a page may load scripts, but no data.
function fetchPart(kind, number) {
  const address = addressOfPart(kind, number);
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const failed = (why) => reject(new Error(`${address} ${why}`));
    script.src = address;
    script.onerror = () => failed("is not there; it belongs beside this page.");
    script.onload = () => {
      const found = arrived.get(address);
      arrived.delete(address);
      script.remove();
      if (!found) failed("is damaged; run the same command again.");
      else if (found.digest !== listing.digests[kind][number - 1])
        failed("is of another run than this page; run the same command again.");
      else resolve(found.entries);
    };
    document.head.append(script);
  });
}

window.receivePart = (kind, number, digest, entries) =>
  arrived.set(addressOfPart(kind, number), { digest, entries });
