/* Intrusive doubly linked lists: a list is a ring through its head, an element that is in none points at itself. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *previous;
};

#define LIST_OF(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

/* The body may take `item` out of the list, and nothing else. */
#define LIST_EACH(item, head, type, member)                                                            \
    for (type *item = LIST_OF((head)->next, type, member), *item##_next = LIST_OF(item->member.next, type, member); \
         &item->member != (head);                                                                      \
         item = item##_next, item##_next = LIST_OF(item->member.next, type, member))

static inline void list_init(struct list *list)
{
    list->next = list->previous = list;
}

static inline bool list_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_remove(struct list *item)
{
    item->previous->next = item->next;
    item->next->previous = item->previous;
    list_init(item);
}

static inline void list_append(struct list *head, struct list *item)
{
    item->previous = head->previous;
    item->next = head;
    head->previous->next = item;
    head->previous = item;
}

static inline size_t list_size(const struct list *head)
{
    size_t size = 0;
    for (const struct list *item = head->next; item != head; item = item->next)
        size++;
    return size;
}
