. /etc/profile
[ -r ~/.bashrc ] && . ~/.bashrc
