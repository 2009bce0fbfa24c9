// The images of the page: what each is called, and what `page_entry` wrote of it.

const images = [...document.querySelectorAll("script.image")].map((script) => ({
  name: script.dataset.name,
  thumbnail: script.dataset.thumbnail,
  script,
}));

// What is read only when it is looked at may come late, or not at all.
async function load(index) {
  return JSON.parse(images[index].script.textContent);
}
