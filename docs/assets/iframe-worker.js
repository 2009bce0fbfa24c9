// Browsers start no worker from a page on disk, and the search runs in one. There it
// runs in a hidden frame instead, which is given a worker's two functions for messages.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      this.waiting = [];
      this.deliver = (data) => this.waiting.push(data);
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc = "<!doctype html>";
      frame.addEventListener("load", () => this.begin(frame.contentWindow, address));
      document.documentElement.append(frame);
    }

    begin(inside, address) {
      inside.postMessage = (data) =>
        this.dispatchEvent(new MessageEvent("message", { data }));
      const script = inside.document.createElement("script");
      script.src = address;
      script.addEventListener("load", () => {
        this.deliver = (data) =>
          inside.dispatchEvent(new inside.MessageEvent("message", { data }));
        this.waiting.splice(0).forEach(this.deliver);
      });
      inside.document.head.append(script);
    }

    postMessage(data) {
      this.deliver(data);
    }
  };
}
