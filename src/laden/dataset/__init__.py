"""What a publisher ships: profiles, tables, archives and files, images, evidence, and what is selected of them."""
