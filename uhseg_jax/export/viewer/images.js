// The images of the page: what each is called, and what `page_entry` wrote of it.

const images = [...document.querySelectorAll("script.image")].map((script) => ({
  name: script.dataset.name,
  thumbnail: script.dataset.thumbnail,
  size: script.dataset.size.split(" ").map(Number), // height and width of the image itself
  nodes: Number(script.dataset.nodes), // of the whole tree
  tree: script.dataset.tree, // what tells its tree from others
  script,
}));

// What is read only when it is looked at may come late, or not at all.
async function load(index) {
  return JSON.parse(images[index].script.textContent);
}
