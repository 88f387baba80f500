// Shows the URLs that the service's name makes while it is typed.

const form = document.querySelector("[data-setup-form]");
const nameField = form.elements.namedItem("name");

function showAddresses() {
  const name = nameField.value.trim().toLowerCase() || "name";
  for (const element of document.querySelectorAll("[data-url-template]")) {
    element.textContent = element.dataset.urlTemplate.replaceAll("{service}", name);
  }
}

nameField.addEventListener("input", showAddresses);
showAddresses();
