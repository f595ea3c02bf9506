// Coming from another site the browser keeps the cookie back; asked from here it sends it. So look again.
"use strict";
const form = document.querySelector("form[data-next]");
fetch("/session", { headers: { accept: "application/json" } })
  .then((answer) => answer.json())
  .then((session) => {
    if (session.signed_in) location.replace(form.dataset.next);
    else form.elements.csrf.value = session.csrf;
  });
