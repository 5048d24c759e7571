// A basket works without this file; with it, another line needs no request.
"use strict";

// Add a line without asking the service: a copy of the last one, emptied and renumbered.
for (const button of document.querySelectorAll("button[data-add-line]")) {
  button.addEventListener("click", (event) => {
    const lines = button.form.querySelectorAll("fieldset.line");
    const number = lines.length;
    if (number >= Number(button.dataset.addLine)) return; // the service answers
    event.preventDefault();
    const line = lines[number - 1].cloneNode(true);
    const renumbered = (text) => text.replaceAll(/lines-\d+-/g, `lines-${number}-`);
    line.querySelector("legend").textContent = `Line ${number + 1}`;
    for (const error of line.querySelectorAll(".error")) error.remove();
    for (const element of line.querySelectorAll("[id], [for], [name]")) {
      for (const name of ["id", "for", "name"]) {
        if (element.hasAttribute(name)) element.setAttribute(name, renumbered(element.getAttribute(name)));
      }
    }
    for (const input of line.querySelectorAll("input")) {
      input.value = "";
      input.removeAttribute("value");
      input.removeAttribute("aria-invalid");
      input.removeAttribute("aria-describedby");
    }
    lines[number - 1].after(line);
    line.querySelector("input").focus();
  });
}
